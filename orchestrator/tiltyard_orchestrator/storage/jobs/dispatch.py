"""Dispatch: take the jobs that are due, and set the time for ringing again. Publishing comes after the commit.

A publish that never happens costs one re-send interval; a publish that happens twice costs one refused claim.
"""

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import JobRow, QueueRow


@dataclass(frozen=True, kw_only=True)
class Due:
    """A job that is to be published."""

    job: str
    queue: str


async def dispatch(session: AsyncSession, *, resend_seconds: float, limit: int = 200) -> list[Due]:
    """Take up to `limit` due jobs of queues that are not paused, oldest first; other keepers take others."""
    due = (
        select(col(JobRow.id))
        .join(QueueRow, col(QueueRow.name) == col(JobRow.queue))
        .where(col(JobRow.state) == JobState.queued, ~col(JobRow.held))
        .where(col(JobRow.dispatch_at) <= func.now())
        .where(col(QueueRow.paused).is_(False))
        .order_by(col(JobRow.dispatch_at), col(JobRow.created_at), col(JobRow.id))
        .limit(limit)
        .with_for_update(of=JobRow, key_share=True, skip_locked=True)
        .cte("due")
    )
    taken = await session.execute(
        update(JobRow)
        .where(col(JobRow.id) == due.c.id)
        .values(dispatch_at=func.now() + seconds(resend_seconds))
        .returning(col(JobRow.id), col(JobRow.queue), col(JobRow.created_at))
        .execution_options(synchronize_session=False)
    )
    rows = sorted(taken.all(), key=lambda row: (row.created_at, row.id))
    return [Due(job=row.id, queue=row.queue) for row in rows]
