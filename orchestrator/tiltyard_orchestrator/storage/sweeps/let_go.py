"""Let go: jobs of a sweep that are held back go on as far as the sweep's `max_parallel` has room.

A job of a sweep that comes back to its queue, or that waited for another, is held like those that never went. So there is one
place where it is decided that one more may go, and the sweep's row lock makes all keepers take turns there: none counts what
another is about to let go. The time for which a job is held counts for no queue time-out.
"""

from collections.abc import Sequence

from sqlalchemy import Text, and_, any_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.storage.jobs.moves import interval
from tiltyard_orchestrator.storage.tables import JobRow, SweepRow

UNDER_WAY = or_(
    col(JobRow.state) == JobState.running, and_(col(JobRow.state) == JobState.queued, ~col(JobRow.held))
)
"""What counts against `max_parallel`."""


async def sweeps_with_held(session: AsyncSession) -> list[str]:
    """The sweeps that have jobs held back and are not paused."""
    held = select(col(JobRow.sweep_id)).where(col(JobRow.held)).distinct()
    query = select(col(SweepRow.id)).where(col(SweepRow.id).in_(held), ~col(SweepRow.paused))
    return list(await session.scalars(query.order_by(col(SweepRow.id))))


async def let_go(session: AsyncSession, sweep: str, *, limit: int = 1_000) -> list[str]:
    """Let as many jobs of a sweep go as may, the first in line first.

    Returns:
        Their ids; none where somebody else has the sweep's lock: they see to it.
    """
    query = select(SweepRow).where(col(SweepRow.id) == sweep, ~col(SweepRow.paused))
    row = (await session.scalars(query.with_for_update(key_share=True, skip_locked=True))).one_or_none()
    if row is None:
        return []
    room = limit
    if row.max_parallel is not None:
        room = min(limit, row.max_parallel - await count_under_way(session, sweep))
    return await _release(session, sweep, room) if room > 0 else []


async def count_under_way(session: AsyncSession, sweep: str) -> int:
    """How many jobs of a sweep are running, or may start at any moment."""
    query = select(func.count()).select_from(JobRow).where(col(JobRow.sweep_id) == sweep, UNDER_WAY)
    return int((await session.execute(query)).scalar_one())


async def hold_back(session: AsyncSession, sweep: str, *, keep: int) -> None:
    """Hold the queued jobs of a sweep back, but the first so many; the caller has the sweep's row locked."""
    line = select(col(JobRow.id)).where(
        col(JobRow.sweep_id) == sweep, col(JobRow.state) == JobState.queued, ~col(JobRow.held)
    )
    rest = list(await session.scalars(line.order_by(col(JobRow.turn_at), col(JobRow.id)).offset(keep)))
    if not rest:
        return
    # In the order of their names, as everybody locks jobs; one that was claimed meanwhile is left alone.
    locked = await session.scalars(
        line.where(col(JobRow.id) == any_(literal(rest, ARRAY(Text))))
        .order_by(col(JobRow.id))
        .with_for_update(key_share=True)
    )
    await session.execute(
        update(JobRow)
        .where(col(JobRow.id) == any_(literal(locked.all(), ARRAY(Text))))
        .values(held=True, queued_until=None)
        .execution_options(synchronize_session=False)
    )


async def _release(session: AsyncSession, sweep: str, room: int) -> list[str]:
    line = select(col(JobRow.id)).where(col(JobRow.sweep_id) == sweep, col(JobRow.held))
    line = line.order_by(col(JobRow.turn_at), col(JobRow.id)).limit(room)
    found: Sequence[str] = (
        await session.scalars(line.with_for_update(key_share=True, skip_locked=True))
    ).all()
    # The pause before another attempt still counts.
    ready = func.greatest(col(JobRow.ready_at), func.now())
    wait = col(JobRow.queue_timeout)
    await session.execute(
        update(JobRow)
        .where(col(JobRow.id).in_(found))
        .values(
            held=False,
            ready_at=ready,
            dispatch_at=ready,
            queued_until=case((wait.is_not(None), ready + interval(wait))),
        )
        .execution_options(synchronize_session=False)
    )
    return list(found)
