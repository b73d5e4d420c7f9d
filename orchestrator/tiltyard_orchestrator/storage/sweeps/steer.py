"""Steer a sweep: pause it, resume it, change how many of its jobs may go at a time, cancel it. Each under its row lock."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from tiltyard_orchestrator.storage.jobs.cancel import cancel_all
from tiltyard_orchestrator.storage.jobs.cancel_many import ALIVE
from tiltyard_orchestrator.storage.sweeps.let_go import count_under_way, hold_back
from tiltyard_orchestrator.storage.tables import CellRow, JobRow, SweepRow


async def lock_sweep(session: AsyncSession, sweep: str) -> SweepRow | None:
    """Take a sweep's row lock."""
    query = select(SweepRow).where(col(SweepRow.id) == sweep).with_for_update(key_share=True)
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def pause_sweep(session: AsyncSession, sweep: str) -> bool:
    """Start no more of its jobs; those that run go on. False: there is no such sweep."""
    row = await lock_sweep(session, sweep)
    if row is None:
        return False
    await hold_back(session, sweep, keep=0)
    await _write(session, sweep, {} if row.paused else {"paused": True})
    return True


async def resume_sweep(session: AsyncSession, sweep: str) -> bool:
    """Let its jobs go again, as far as there is room for them; the keeper does. False: there is no such sweep."""
    row = await lock_sweep(session, sweep)
    if row is None:
        return False
    await _write(session, sweep, {"paused": False} if row.paused else {})
    return True


async def change_sweep(session: AsyncSession, sweep: str, changes: Mapping[str, Any]) -> bool:
    """Change its description, or how many of its jobs may go at a time: those in the queue that are over it are held back."""
    row = await lock_sweep(session, sweep)
    if row is None:
        return False
    await _write(session, sweep, changes)
    limit = changes.get("max_parallel")
    if limit is not None and (over := await count_under_way(session, sweep) - int(limit)) > 0:
        await _hold_last(session, sweep, over)
    return True


async def note_cancelled(session: AsyncSession, sweep: str) -> bool:
    """Note that a sweep is to end. What it holds back need not be let go first: `cancel_cells` ends it where it is."""
    row = await lock_sweep(session, sweep)
    if row is None:
        return False
    await _write(session, sweep, {"cancelled_at": row.cancelled_at or func.now(), "paused": False})
    return True


async def jobs_to_cancel(session: AsyncSession, sweep: str) -> list[str]:
    """The jobs that end with a sweep, in the order of their ids: all at once, since each look is at every job of it.

    A job that a cell of another sweep is linked to goes on, unless that sweep is cancelled, too. What a cancelled sweep had
    left alone for this one's sake is among this one's own.
    """
    query = select(col(JobRow.id)).where(_left_alone(sweep), ALIVE, ~_wanted_elsewhere(sweep))
    return list(await session.scalars(query.order_by(col(JobRow.id))))


async def cancel_cells(
    session: AsyncSession, sweep: str, jobs: Collection[str]
) -> tuple[list[str], list[str]]:
    """Ask for the end of some of those jobs, but for what has ended or is wanted by another sweep meanwhile.

    Returns:
        All that were met, and those of them that were running: they are asked, and end later.
    """
    query = (
        select(JobRow)
        .where(col(JobRow.id).in_(jobs), ALIVE, ~_wanted_elsewhere(sweep))
        .order_by(col(JobRow.id))
        .with_for_update(of=JobRow, key_share=True)
    )
    return await cancel_all(session, (await session.scalars(query)).all())


def _left_alone(sweep: str) -> ColumnElement[bool]:
    """A job that a sweep made, or that one made which is cancelled by now and that this one has a cell for."""
    made = col(JobRow.sweep_id) == sweep
    linked = select(col(CellRow.job_id)).where(col(CellRow.sweep_id) == sweep)
    given_up = select(col(SweepRow.id)).where(col(SweepRow.cancelled_at).is_not(None))
    return or_(made, and_(col(JobRow.id).in_(linked), col(JobRow.sweep_id).in_(given_up)))


def _wanted_elsewhere(sweep: str) -> ColumnElement[bool]:
    other, elsewhere = aliased(CellRow), aliased(SweepRow)
    return exists(
        select(literal(1))
        .select_from(other)
        .join(elsewhere, col(elsewhere.id) == col(other.sweep_id))
        .where(col(other.job_id) == col(JobRow.id), col(other.sweep_id) != sweep)
        .where(col(elsewhere.cancelled_at).is_(None))
    )


async def jobs_of(session: AsyncSession, sweep: str) -> list[str]:
    """Every job of a sweep: its cells', and those it made before."""
    cells = select(col(CellRow.job_id)).where(col(CellRow.sweep_id) == sweep)
    query = select(col(JobRow.id)).where(or_(col(JobRow.sweep_id) == sweep, col(JobRow.id).in_(cells)))
    return list(await session.scalars(query))


async def _hold_last(session: AsyncSession, sweep: str, over: int) -> None:
    """Hold as many of those in the queue back as are too many, the last in line."""
    line = select(func.count()).select_from(JobRow)
    queued = (
        await session.execute(
            line.where(col(JobRow.sweep_id) == sweep, col(JobRow.state) == "queued", ~col(JobRow.held))
        )
    ).scalar_one()
    await hold_back(session, sweep, keep=max(0, int(queued) - over))


async def _write(session: AsyncSession, sweep: str, values: Mapping[str, Any]) -> None:
    if values:
        statement = update(SweepRow).where(col(SweepRow.id) == sweep)
        await session.execute(
            statement.values(**values, updated_at=func.now()).execution_options(synchronize_session=False)
        )
