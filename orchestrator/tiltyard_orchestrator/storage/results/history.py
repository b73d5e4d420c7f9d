"""The values of one metric of a job, by step: what its newest attempt told in events, and what others posted.

At one step, events come before what was posted, and each in the order in which they came: the last value of the history is
the one that stands.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import JobState
from tiltyard.wire.results import Metric
from tiltyard_orchestrator.domain.metrics import HIGHEST_STEP, LOWEST_STEP, read_measurement
from tiltyard_orchestrator.storage.cursor import BadCursor, decode_place, encode
from tiltyard_orchestrator.storage.results.metrics import POSTED
from tiltyard_orchestrator.storage.tables import EventRow, JobRow, PostedMetricRow


@dataclass(frozen=True, kw_only=True)
class Told:
    """A page of values."""

    items: list[Metric]
    next: str | None


async def read_history(session: AsyncSession, job: str, name: str, *, cursor: str | None, limit: int) -> Told:
    """One page of the values of a metric.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    both = union_all(_told(job, name), _posted(job, name)).subquery()
    place = tuple_(both.c.step, both.c.posted, both.c.number)
    query = select(both).order_by(both.c.step, both.c.posted, both.c.number).limit(limit + 1)
    if cursor is not None:
        query = query.where(place > tuple_(*_place(cursor)))
    rows = (await session.execute(query)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Told(
        items=[metric for row in rows[:limit] if (metric := _as_metric(name, row)) is not None],
        next=None if last is None else encode(int(last.step), last.posted, last.number),
    )


async def leaves_out(session: AsyncSession, job: str, name: str) -> bool:
    """Whether the newest attempt logged values of a metric to MLflow that its events do not have."""
    left_out = _of_newest_attempt(job, name).where(col(EventRow.data)["left_out"].is_not(None))
    return bool(await session.scalar(select(exists(left_out.subquery().select()))))


def _of_newest_attempt(job: str, name: str) -> Select[Any]:
    # An attempt that was handed back has the number of the one after it: what counts came after the newest claim.
    claim = (
        select(func.max(col(EventRow.seq)))
        .where(
            col(EventRow.job_id) == job,
            col(EventRow.kind) == EventKind.state,
            col(EventRow.attempt) == col(JobRow.attempt),
            col(EventRow.data)["state"].astext == JobState.running,
        )
        .correlate(JobRow)
        .scalar_subquery()
    )
    return (
        select(EventRow)
        .join(JobRow, and_(col(JobRow.id) == job, col(EventRow.job_id) == job))
        .where(
            col(EventRow.kind) == EventKind.metric,
            col(EventRow.data)["name"].astext == name,
            col(EventRow.data)["run"].is_(None),  # else it is of another run that the job made
            col(EventRow.attempt) == col(JobRow.attempt),
            col(EventRow.seq) > claim,
        )
    )


def _told(job: str, name: str) -> Select[Any]:
    step = _step()
    return (
        _of_newest_attempt(job, name)
        .where(step.between(LOWEST_STEP, HIGHEST_STEP))
        .with_only_columns(
            step.label("step"),
            literal(0).label("posted"),
            col(EventRow.seq).label("number"),
            col(EventRow.at),
            col(EventRow.attempt),
            col(EventRow.data)["value"].label("value"),
        )
    )


def _step() -> ColumnElement[Any]:
    """The step of an event; NULL where it is none, which a malformed event may have."""
    said = col(EventRow.data)["step"]
    kind = func.coalesce(func.jsonb_typeof(said), "null")
    return case(
        (kind == "number", cast(said.astext, Numeric)),
        (kind == "null", literal_column("0")),
        else_=None,
    )


def _posted(job: str, name: str) -> Select[Any]:
    return select(
        cast(col(PostedMetricRow.step), Numeric).label("step"),
        literal(1),
        col(PostedMetricRow.number),
        col(PostedMetricRow.at),
        literal(POSTED),
        func.to_jsonb(col(PostedMetricRow.value), type_=JSONB),
    ).where(col(PostedMetricRow.job_id) == job, col(PostedMetricRow.name) == name)


def _place(cursor: str) -> tuple[Any, ...]:
    match decode_place(cursor):
        case [int(step), 0 | 1 as posted, int(number)] if _stored(step) and _stored(number):
            return cast(literal(str(step)), Numeric), literal(posted), literal(number)
    raise BadCursor("this cursor is not one that a list gave out")


def _stored(number: int) -> bool:
    return not isinstance(number, bool) and LOWEST_STEP <= number <= HIGHEST_STEP


def _as_metric(name: str, row: Any) -> Metric | None:
    told = read_measurement({"name": name, "value": row.value, "step": int(row.step)})
    if told is None:
        return None
    return Metric(name=name, value=told.value, step=told.step, at=row.at, attempt=row.attempt)
