"""Workers, as they last said of themselves; one that is silent for too long is shown as lost."""

from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.workers import Worker, WorkerHeartbeat, WorkerOrder, WorkerState
from tiltyard_orchestrator.storage.environments import put_environment
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import WorkerRow

FORGET_AFTER_SECONDS = 7 * 24 * 3600.0
"""A worker that stopped or was lost leaves the list after a week."""


async def record_heartbeat(
    session: AsyncSession, worker: str, heartbeat: WorkerHeartbeat, *, lost_after: float
) -> Worker:
    """Note what a worker says. Its queue exists: that was checked before.

    A new process under a known name starts anew: what the one before it was told is not meant for it. What its jobs can
    import, and what they run in, it says once, with its first heartbeat, and when it is asked for it.
    """
    said = {
        "host": heartbeat.host,
        "queue": heartbeat.queue,
        "image": heartbeat.image,
        "pid": heartbeat.pid,
        "incarnation": heartbeat.incarnation,
        "state": heartbeat.state.value,
        "fence": heartbeat.fence,
        "job_id": heartbeat.job,
        "versions": heartbeat.versions,
    }
    # JSON's null would be a value, and not the absence of one.
    images: dict[str, Any] = {
        name: said_of_it
        for name, said_of_it in (("packages", heartbeat.packages), ("modules", heartbeat.modules))
        if said_of_it is not None
    }
    if heartbeat.environment is not None:
        images["environment"] = await put_environment(session, heartbeat.environment)
    same = col(WorkerRow.incarnation) == heartbeat.incarnation
    kept = {
        "last_seen": func.now(),
        "told": case((same, col(WorkerRow.told)), else_=None),
        "started_at": case((same, col(WorkerRow.started_at)), else_=func.now()),
    }
    await session.execute(
        insert(WorkerRow)
        .values(id=worker, **said, **images)
        .on_conflict_do_update(index_elements=["id"], set_=said | images | kept)
    )
    row = await session.get_one(WorkerRow, worker, populate_existing=True)
    return as_worker(row, lost_before=row.last_seen - seconds(lost_after))


async def order_worker(
    session: AsyncSession, worker: str, order: WorkerOrder | None, *, lost_after: float
) -> Worker | None:
    """Tell a worker to drain or to stop, or (None) to take jobs again. From now on a claim of it is answered so.

    Returns:
        The worker; None where there is none of this name.
    """
    await session.execute(
        update(WorkerRow)
        .where(col(WorkerRow.id) == worker)
        .values(told=None if order is None else order.value)
        .execution_options(synchronize_session=False)
    )
    lost_before = (await session.execute(select(func.now() - seconds(lost_after)))).scalar_one()
    row = await session.get(WorkerRow, worker, populate_existing=True)
    return None if row is None else as_worker(row, lost_before=lost_before)


async def list_workers(session: AsyncSession, *, lost_after: float) -> list[Worker]:
    """Every worker that was seen within a week, newest first."""
    lost_before = (await session.execute(select(func.now() - seconds(lost_after)))).scalar_one()
    rows = await session.scalars(
        select(WorkerRow).order_by(col(WorkerRow.started_at).desc(), col(WorkerRow.id))
    )
    return [as_worker(row, lost_before=lost_before) for row in rows]


async def forget_workers(session: AsyncSession) -> None:
    """Drop the rows of workers that were not seen for a week."""
    gone = col(WorkerRow.last_seen) < func.now() - seconds(FORGET_AFTER_SECONDS)
    await session.execute(delete(WorkerRow).where(gone).execution_options(synchronize_session=False))


def as_worker(row: WorkerRow, *, lost_before: datetime) -> Worker:
    """A row as callers see it."""
    state = WorkerState(row.state)
    if state is not WorkerState.stopped and row.last_seen < lost_before:
        state = WorkerState.lost
    return Worker(
        id=row.id,
        host=row.host,
        queue=row.queue,
        image=row.image,
        pid=row.pid,
        state=state,
        order=None if row.told is None else WorkerOrder(row.told),
        fence=row.fence,
        job=row.job_id,
        versions=row.versions,
        environment=row.environment,
        tell_all=None in (row.packages, row.modules, row.environment),
        started_at=row.started_at,
        last_seen=row.last_seen,
    )
