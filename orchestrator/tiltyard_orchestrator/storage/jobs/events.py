"""Reading the history of jobs. A reader asks for what comes after a `seq` it has; nothing is pushed, so nothing is skipped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Row, Text, column, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import Event, EventKind
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import CellRow, EventRow, ExperimentRow, JobRow


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a job's history stands: its state, and the `seq` of its newest event, read together."""

    state: JobState
    seq: int


async def read_events(session: AsyncSession, job: str, *, after: int, limit: int) -> list[Event]:
    """The next events of a job behind `after`, in order."""
    found = await session.scalars(
        select(EventRow)
        .where(col(EventRow.job_id) == job, col(EventRow.seq) > after)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )
    return [as_event(row) for row in found.all()]


async def read_events_of_many(
    session: AsyncSession, places: Sequence[tuple[str, int]], *, limit: int
) -> dict[str, list[Event]]:
    """The next events of many jobs, each behind its own `seq`, in order, and so many of each at most."""
    jobs, afters = [job for job, _ in places], [after for _, after in places]
    asked: Any = (
        func.unnest(literal(jobs, ARRAY(Text)), literal(afters, ARRAY(BigInteger)))
        .table_valued(column("job", Text), column("after", BigInteger))
        .render_derived(name="asked")
    )
    event = EventRow.__table__  # type: ignore[attr-defined]
    behind = (
        select(event)
        .where(event.c.job_id == asked.c.job, event.c.seq > asked.c.after)
        .order_by(event.c.seq)
        .limit(limit)
        .lateral("behind")
    )
    found: dict[str, list[Event]] = {}
    for row in await session.execute(select(behind).select_from(asked.join(behind, true()))):
        found.setdefault(row.job_id, []).append(as_event(row))
    for events in found.values():
        events.sort(key=lambda event: event.seq)
    return found


async def read_log(
    session: AsyncSession, job: str, *, after: int, limit: int, stream: str | None = None
) -> list[Event]:
    """The next log events of a job behind `after`, of one stream or of both."""
    query = (
        select(EventRow)
        .where(col(EventRow.job_id) == job, col(EventRow.seq) > after, col(EventRow.kind) == EventKind.log)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )
    if stream is not None:
        query = query.where(col(EventRow.data)["stream"].astext == stream)
    return [as_event(row) for row in (await session.scalars(query)).all()]


async def standing(session: AsyncSession, job: str) -> Standing | None:
    """Where a job's history stands; None when there is no such job."""
    query = select(col(JobRow.state), col(JobRow.seq)).where(col(JobRow.id) == job)
    found = (await session.execute(query)).one_or_none()
    return Standing(state=JobState(found[0]), seq=found[1]) if found else None


async def standings(
    session: AsyncSession,
    *,
    experiment: str | None = None,
    sweep: str | None = None,
    jobs: Collection[str] | None = None,
    ended_within: float | None = None,
) -> dict[str, Standing]:
    """Where the histories of many jobs stand, oldest job first; without those that ended longer ago, in seconds."""
    query = select(col(JobRow.id), col(JobRow.state), col(JobRow.seq)).order_by(
        col(JobRow.created_at), col(JobRow.id)
    )
    if experiment is not None:
        query = query.join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id)).where(
            col(ExperimentRow.name) == experiment
        )
    if sweep is not None:
        cells = select(col(CellRow.job_id)).where(col(CellRow.sweep_id) == sweep)
        if jobs is not None:  # a few: their cells are looked up, and not all that the sweep has
            cells = cells.where(col(CellRow.job_id).in_(jobs))
        query = query.where(or_(col(JobRow.sweep_id) == sweep, col(JobRow.id).in_(cells)))
    if jobs is not None:
        query = query.where(col(JobRow.id).in_(jobs))
    if ended_within is not None:
        ended = col(JobRow.finished_at)
        query = query.where(or_(ended.is_(None), ended > func.now() - seconds(ended_within)))
    found = (await session.execute(query)).all()
    return {job: Standing(state=JobState(state), seq=seq) for job, state, seq in found}


def as_event(row: EventRow | Row[Any]) -> Event:
    """A row as callers see it."""
    return Event(
        job=row.job_id, seq=row.seq, at=row.at, kind=EventKind(row.kind), attempt=row.attempt, data=row.data
    )
