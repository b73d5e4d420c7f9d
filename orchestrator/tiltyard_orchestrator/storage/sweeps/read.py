"""Reading sweeps: what was asked for, how its cells stand, and the cells themselves."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import FINAL_STATES, JobState
from tiltyard.wire.model import Page
from tiltyard.wire.sweeps import Axis, Cell, Sweep, SweepMode, SweepState
from tiltyard_orchestrator.storage.cursor import decode_number, decode_time_and_id, encode
from tiltyard_orchestrator.storage.jobs.read import Ambiguous, may_begin_an_id
from tiltyard_orchestrator.storage.tables import CellRow, ExperimentRow, JobRow, SweepRow


@dataclass(kw_only=True)
class Tally:
    """How the cells of one sweep stand."""

    jobs: dict[str, int] = field(default_factory=dict)
    held: int = 0
    reused: int = 0
    missing: int = 0
    own_ended: int = 0
    """Cells whose job the sweep made and has ended."""
    first_start: datetime | None = None
    """Of those."""

    @property
    def ended(self) -> int:
        """Cells of which nothing more is to come."""
        return self.missing + sum(self.jobs.get(state.value, 0) for state in FINAL_STATES)


async def get_sweep(session: AsyncSession, sweep: str) -> Sweep | None:
    """One sweep by its whole id."""
    found = await _read(session, [sweep])
    return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class NamedSweep:
    """Which sweep is meant. How its cells stand is another question: the answer is a look at every one of them."""

    id: str
    axes: list[str]
    """The parameters of its axes, in their order."""


async def find_sweep(session: AsyncSession, sweep: str) -> NamedSweep | Ambiguous | None:
    """One sweep by its id, or by the beginning of one if no other begins so."""
    query = select(col(SweepRow.id), col(SweepRow.axes))
    if whole := (await session.execute(query.where(col(SweepRow.id) == sweep))).one_or_none():
        return _named(*whole)
    if not may_begin_an_id(sweep):
        return None
    begin = query.where(col(SweepRow.id).startswith(sweep, autoescape=True)).limit(5)
    found = (await session.execute(begin)).all()
    if len(found) > 1:
        return Ambiguous(candidates=[row.id for row in found])
    return _named(*found[0]) if found else None


def _named(sweep: str, axes: Sequence[Mapping[str, Any]]) -> NamedSweep:
    return NamedSweep(id=sweep, axes=[str(axis["parameter"]) for axis in axes])


async def list_sweeps(
    session: AsyncSession, *, experiment: str | None, cursor: str | None, limit: int
) -> Page[Sweep]:
    """One page of sweeps, newest first.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    place = tuple_(col(SweepRow.created_at), col(SweepRow.id))
    query = select(col(SweepRow.id)).order_by(col(SweepRow.created_at).desc(), col(SweepRow.id).desc())
    if experiment is not None:
        query = query.join(ExperimentRow, col(ExperimentRow.id) == col(SweepRow.experiment_id))
        query = query.where(col(ExperimentRow.name) == experiment)
    if cursor is not None:
        query = query.where(place < decode_time_and_id(cursor))
    ids = (await session.scalars(query.limit(limit + 1))).all()
    items = await _read(session, ids[:limit])
    return Page(
        items=items, next=encode(items[-1].created_at, items[-1].id) if len(ids) > limit and items else None
    )


async def list_cells(
    session: AsyncSession, sweep: str, *, states: Collection[JobState], cursor: str | None, limit: int
) -> Page[Cell]:
    """One page of a sweep's cells, in their order.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = (
        select(CellRow, col(JobRow.state), col(JobRow.held))
        .outerjoin(JobRow, col(JobRow.id) == col(CellRow.job_id))
        .where(col(CellRow.sweep_id) == sweep)
        .order_by(col(CellRow.number))
    )
    if states:
        query = query.where(col(JobRow.state).in_([state.value for state in states]))
    if cursor is not None:
        query = query.where(col(CellRow.number) > decode_number(cursor))
    found = (await session.execute(query.limit(limit + 1))).all()
    cells = [
        Cell(
            number=row.number,
            digest=row.digest,
            values=row.values,
            job=row.job_id,
            state=JobState(state) if state else None,
            held=bool(held),
            reused=row.reused,
        )
        for row, state, held in found[:limit]
    ]
    return Page(items=cells, next=encode(cells[-1].number) if len(found) > limit else None)


async def _read(session: AsyncSession, ids: Sequence[str]) -> list[Sweep]:
    found = await session.execute(
        select(SweepRow, col(ExperimentRow.name), func.now())
        .join(ExperimentRow, col(ExperimentRow.id) == col(SweepRow.experiment_id))
        .where(col(SweepRow.id).in_(ids))
        .order_by(col(SweepRow.created_at).desc(), col(SweepRow.id).desc())
        .execution_options(populate_existing=True)
    )
    tallies = await _tallies(session, ids)
    return [_as_sweep(row, experiment, tallies[row.id], now) for row, experiment, now in found.all()]


async def _tallies(session: AsyncSession, ids: Sequence[str]) -> Mapping[str, Tally]:
    found = await session.execute(
        select(
            col(CellRow.sweep_id),
            col(CellRow.reused),
            col(JobRow.state),
            func.count(),
            func.count().filter(col(JobRow.held)),
            func.min(JobRow.started_at),
        )
        .outerjoin(JobRow, col(JobRow.id) == col(CellRow.job_id))
        .where(col(CellRow.sweep_id).in_(ids))
        .group_by(col(CellRow.sweep_id), col(CellRow.reused), col(JobRow.state))
    )
    tallies: dict[str, Tally] = defaultdict(Tally)
    rows: Sequence[Any] = found.all()
    for sweep, reused, state, count, held, started_at in rows:
        tally = tallies[sweep]
        tally.held += held
        tally.reused += count if reused else 0
        if state is None:
            tally.missing += count
            continue
        tally.jobs[state] = tally.jobs.get(state, 0) + count
        if not reused and JobState(state).final:
            tally.own_ended += count
            tally.first_start = min(filter(None, (tally.first_start, started_at)), default=None)
    return tallies


def _as_sweep(row: SweepRow, experiment: str, tally: Tally, now: datetime) -> Sweep:
    common = row.submission
    return Sweep(
        id=row.id,
        experiment=experiment,
        archive=common["archive"],
        entry_point=common["entry_point"],
        queue=common["queue"],
        parameters=common["parameters"],
        axes=[Axis.model_validate(axis) for axis in row.axes],
        mode=SweepMode(row.mode),
        seed=row.seed,
        state=_state(row, tally),
        cells=row.cells,
        jobs={state.value: tally.jobs[state] for state in JobState if tally.jobs.get(state)},
        held=tally.held,
        reused=tally.reused,
        missing=tally.missing,
        progress=tally.ended / row.cells,
        eta=_eta(row, tally, now),
        max_parallel=row.max_parallel,
        description=row.description,
        tags=row.tags,
        created_at=row.created_at,
        updated_at=row.updated_at,
        cancelled_at=row.cancelled_at,
    )


def _state(row: SweepRow, tally: Tally) -> SweepState:
    if tally.ended < row.cells:
        return SweepState.paused if row.paused else SweepState.running
    if tally.jobs.get(JobState.failed):
        return SweepState.failed
    return SweepState.cancelled if tally.jobs.get(JobState.cancelled) else SweepState.succeeded


def _eta(row: SweepRow, tally: Tally, now: datetime) -> float | None:
    left = row.cells - tally.ended
    if row.paused or not left or not tally.own_ended or tally.first_start is None:
        return None
    return round((now - tally.first_start).total_seconds() / tally.own_ended * left, 1)
