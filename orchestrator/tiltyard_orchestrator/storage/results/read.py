"""Results of an experiment: one row a job, with its parameters and its metrics as they stand.

A page is two statements, however many jobs there are: the jobs, and their metrics.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Double, Select, Text, and_, any_, bindparam, cast, null, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import Page
from tiltyard.wire.results import Result
from tiltyard_orchestrator.domain.questions import (
    NEWEST_FIRST,
    Condition,
    Order,
)
from tiltyard_orchestrator.storage.results.conditions import holds
from tiltyard_orchestrator.storage.results.metrics import POSTED
from tiltyard_orchestrator.storage.results.order import Key, behind, cursor_of, keys_of
from tiltyard_orchestrator.storage.tables import CellRow, JobRow, MetricRow


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which results are asked for; what is None or empty does not filter."""

    experiment: str
    """Its id."""
    states: Collection[JobState] = ()
    tag: str | None = None
    entry_point: str | None = None
    sweep: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    until: datetime | None = None
    """Without the jobs that came after this moment."""
    where: Sequence[Condition] = ()
    order: Order = NEWEST_FIRST


async def list_results(
    session: AsyncSession, wanted: Wanted, *, cursor: str | None, limit: int
) -> Page[Result]:
    """One page of results, in the order that is wanted.

    Raises:
        BadCursor: the cursor is none of ours, or of another order.
    """
    query, keys = _query(wanted)
    if cursor is not None:
        query = query.where(behind(cursor, wanted.order, keys))
    found = (await session.execute(query.limit(limit + 1))).all()
    rows = found[:limit]
    metrics = await _final(session, [row.id for row in rows])
    following = cursor_of(wanted.order, keys, rows[-1][: len(keys)]) if len(found) > limit else None
    # They come from our own tables: nothing is left to check in ten thousand of them.
    items = [_as_result(row, metrics.get(row.id, {})) for row in rows]
    return Page[Result].model_construct(items=items, next=following)


def _query(wanted: Wanted) -> tuple[Select[Any], list[Key]]:
    """The rows that are wanted, their place in the order first."""
    metric = aliased(MetricRow)
    by_metric = wanted.order.kind == "metric"
    keys = keys_of(wanted.order, col(metric.value) if by_metric else cast(null(), Double))
    place: list[Any] = [key.expression.label(f"key_{number}") for number, key in enumerate(keys)]
    query = select(*place, *_COLUMNS).where(*conditions(wanted)).order_by(*(key.ordered for key in keys))
    if by_metric:
        query = query.outerjoin(
            metric,
            and_(
                col(metric.job_id) == col(JobRow.id),
                col(metric.name) == wanted.order.name,
                col(metric.attempt).in_([POSTED, col(JobRow.attempt)]),
            ),
        )
    return query, keys


_COLUMNS = tuple(
    col(column)
    for column in (
        JobRow.id, JobRow.state, JobRow.reason, JobRow.created_at, JobRow.started_at, JobRow.finished_at,
        JobRow.queue, JobRow.entry_point, JobRow.sweep_id, JobRow.tags, JobRow.parameters,
    )
)  # fmt: skip


def conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """What is true of the jobs that are wanted."""
    found: list[ColumnElement[bool]] = [col(JobRow.experiment_id) == wanted.experiment]
    if wanted.states:
        found.append(col(JobRow.state).in_([state.value for state in wanted.states]))
    if wanted.tag is not None:
        found.append(col(JobRow.tags).contains([wanted.tag]))
    if wanted.entry_point is not None:
        found.append(col(JobRow.entry_point) == wanted.entry_point)
    if wanted.sweep is not None:
        cells = select(col(CellRow.job_id)).where(col(CellRow.sweep_id) == wanted.sweep)
        found.append(col(JobRow.id).in_(cells))
    if wanted.created_after is not None:
        found.append(col(JobRow.created_at) >= wanted.created_after)
    if wanted.created_before is not None:
        found.append(col(JobRow.created_at) < wanted.created_before)
    if wanted.until is not None:
        found.append(col(JobRow.created_at) <= wanted.until)
    return [*found, *map(holds, wanted.where)]


async def _final(session: AsyncSession, jobs: Sequence[str]) -> dict[str, dict[str, float]]:
    newest = and_(
        col(JobRow.id) == col(MetricRow.job_id), col(MetricRow.attempt).in_([POSTED, col(JobRow.attempt)])
    )
    query = (
        select(col(MetricRow.job_id), col(MetricRow.name), col(MetricRow.value))
        .join(JobRow, newest)
        .where(col(MetricRow.job_id) == any_(bindparam("jobs", list(jobs), type_=ARRAY(Text))))
        .order_by(col(MetricRow.job_id), col(MetricRow.name))
    )
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for job, name, value in await session.execute(query):
        found[job][name] = value
    return found


def _as_result(row: Any, metrics: dict[str, float]) -> Result:
    ended = row.finished_at is not None and row.started_at is not None
    return Result.model_construct(
        id=row.id,
        state=JobState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        seconds=(row.finished_at - row.started_at).total_seconds() if ended else None,
        queue=row.queue,
        entry_point=row.entry_point,
        sweep=row.sweep_id,
        tags=row.tags,
        parameters=row.parameters,
        metrics=metrics,
    )
