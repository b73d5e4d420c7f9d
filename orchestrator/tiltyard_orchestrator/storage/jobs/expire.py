"""Expire: a lease that ran out is taken away, and the job goes back to its queue or ends.

Only the database's clock decides; whether silence may be held against workers at all is the keeper's question.
"""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.domain.lifecycle import Call, after_expiry
from tiltyard_orchestrator.storage.jobs.moves import move, standing_of
from tiltyard_orchestrator.storage.tables import JobRow


async def expire(session: AsyncSession, *, backoff: Backoff, limit: int = 100) -> list[str]:
    """Take away up to `limit` leases that ran out.

    Returns:
        The ids of the jobs that moved.
    """
    late = await session.scalars(
        select(JobRow)
        .where(col(JobRow.state) == JobState.running, col(JobRow.lease_until) < func.now())
        .order_by(col(JobRow.lease_until))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    moved = []
    for row in late.all():
        outcome = after_expiry(standing_of(row), worker=row.worker_id)
        pause = backoff.seconds(outcome.reason, attempt=row.attempt)
        await move(session, row, Call.expire, outcome, pause=pause)
        moved.append(row.id)
    return moved
