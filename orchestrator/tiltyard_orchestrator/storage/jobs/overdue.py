"""Overdue: a job that nobody took within its queue time-out has failed. Only the database's clock decides."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.lifecycle import Call, after_overdue
from tiltyard_orchestrator.storage.jobs.moves import move
from tiltyard_orchestrator.storage.tables import JobRow


async def end_overdue(session: AsyncSession, *, limit: int = 100) -> list[str]:
    """End up to `limit` jobs that waited in their queue for too long.

    Returns:
        The ids of the jobs that ended.
    """
    late = await session.scalars(
        select(JobRow)
        .where(col(JobRow.state) == JobState.queued, col(JobRow.queued_until) < func.now())
        .order_by(col(JobRow.queued_until))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    moved = []
    for row in late.all():
        await move(session, row, Call.overdue, after_overdue(seconds=row.queue_timeout or 0))
        moved.append(row.id)
    return moved
