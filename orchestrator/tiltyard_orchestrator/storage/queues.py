"""Queues, and how busy each is."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard.wire.queues import Queue, QueueDraft, QueuePatch
from tiltyard.wire.workers import WorkerState
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import JobRow, QueueRow, WorkerRow


async def create_queue(session: AsyncSession, draft: QueueDraft, *, lost_after: float) -> tuple[Queue, bool]:
    """Make a queue; a queue of this name that is there stays as it is. Tells whether it is new."""
    made = await session.scalar(
        insert(QueueRow)
        .values(name=draft.name, description=draft.description)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(col(QueueRow.name))
    )
    queue = await get_queue(session, draft.name, lost_after=lost_after)
    assert queue is not None, "it was there or was made above"
    return queue, made is not None


async def get_queue(session: AsyncSession, name: str, *, lost_after: float) -> Queue | None:
    """One queue."""
    found = await _read(session, lost_after, col(QueueRow.name) == name)
    return found[0] if found else None


async def list_queues(session: AsyncSession, *, lost_after: float) -> list[Queue]:
    """Every queue, by name."""
    return await _read(session, lost_after)


async def queue_names(session: AsyncSession) -> list[str]:
    """The names that a submission may use."""
    return list((await session.scalars(select(col(QueueRow.name)).order_by(col(QueueRow.name)))).all())


async def patch_queue(
    session: AsyncSession, name: str, patch: QueuePatch, *, lost_after: float
) -> Queue | None:
    """Pause, resume or describe a queue. What was published before a pause is refused when it is claimed."""
    if values := patch.model_dump(exclude_none=True):
        await session.execute(
            update(QueueRow)
            .where(col(QueueRow.name) == name)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
    if patch.paused is False:
        await _ring_soon(session, name)
    session.expire_all()
    return await get_queue(session, name, lost_after=lost_after)


async def _ring_soon(session: AsyncSession, name: str) -> None:
    """Let what waited out the pause be due now, and not at its next re-send; what pauses before its next attempt is not."""
    queued = (
        select(col(JobRow.id))
        .where(col(JobRow.queue) == name, col(JobRow.state) == JobState.queued)
        .order_by(
            col(JobRow.id)
        )  # as everybody locks many rows who waits for them: so nobody waits in a circle
        .with_for_update(key_share=True)
        .cte("queued")
    )
    await session.execute(
        update(JobRow)
        .where(col(JobRow.id) == queued.c.id)
        .values(dispatch_at=func.least(JobRow.dispatch_at, func.greatest(JobRow.ready_at, func.now())))
        .execution_options(synchronize_session=False)
    )


async def _read(session: AsyncSession, lost_after: float, *conditions: Any) -> list[Queue]:
    in_state = {
        state: select(func.count())
        .select_from(JobRow)
        .where(col(JobRow.queue) == col(QueueRow.name), col(JobRow.state) == state.value)
        .scalar_subquery()
        for state in (JobState.queued, JobState.running)
    }
    workers = (
        select(func.count())
        .select_from(WorkerRow)
        .where(col(WorkerRow.queue) == col(QueueRow.name), col(WorkerRow.state) != WorkerState.stopped.value)
        .where(col(WorkerRow.last_seen) > func.now() - seconds(lost_after))
        .scalar_subquery()
    )
    query = select(QueueRow, in_state[JobState.queued], in_state[JobState.running], workers)
    found = await session.execute(query.where(*conditions).order_by(col(QueueRow.name)))
    return [
        Queue(
            name=row.name,
            description=row.description,
            paused=row.paused,
            queued=queued,
            running=running,
            workers=serving,
            created_at=row.created_at,
        )
        for row, queued, running, serving in found
    ]
