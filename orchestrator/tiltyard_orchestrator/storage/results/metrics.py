"""Metrics as they stand: what a job's events tell, kept beside them in the transaction that writes them.

A job is asked about more often than it tells, and results are sorted by what was told last: no reader goes through events
for that. A value stands until one comes with the same step or a higher one; a new attempt begins anew, and what others
posted is there throughout.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    Text,
    and_,
    any_,
    bindparam,
    column,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import EventKind, Reported
from tiltyard.wire.results import Metric
from tiltyard_orchestrator.domain.metrics import Measurement, last_of_each, read_measurement
from tiltyard_orchestrator.storage.tables import JobRow, MetricRow

POSTED = 0
"""The attempt of what no attempt told."""


async def note_metrics(session: AsyncSession, row: JobRow, events: Sequence[Reported]) -> None:
    """Keep the last value of each metric that a locked job's running attempt tells with these events.

    One statement, and none where they tell no metric. What is malformed is passed over: a report never fails for it.
    """
    told = [read_measurement(event.data) for event in events if event.kind is EventKind.metric]
    await keep(session, row.id, [one for one in told if one is not None], attempt=row.attempt)


async def keep(
    session: AsyncSession, job: str, told: Sequence[Measurement], *, attempt: int, current: int | None = None
) -> None:
    """Keep the last of these values of each name, where none stands that is later.

    Args:
        session: a transaction.
        job: its id.
        told: the values, in the order in which they were told.
        attempt: who told them; `POSTED` for somebody else.
        current: the job's attempt, where that is not the one that tells: what others told does not stand any more.
    """
    last = last_of_each(told)
    if not last:
        return
    columns: dict[str, Any] = {
        "name": [one.name for one in last],
        "value": [one.value for one in last],
        "step": [one.step for one in last],
    }
    stands = attempt if current is None else current
    await session.execute(_KEEP, columns | {"job": job, "attempt": attempt, "stands": stands})


def _statement() -> Any:
    # Arrays, so that one statement, prepared once, does for any number of values.
    given = (
        func.unnest(
            bindparam("name", type_=ARRAY(Text)),
            bindparam("value", type_=ARRAY(Double)),
            bindparam("step", type_=ARRAY(BigInteger)),
        )
        .table_valued(column("name", Text), column("value", Double), column("step", BigInteger))
        .render_derived()
    )
    job, attempt = bindparam("job", type_=Text), bindparam("attempt", type_=BigInteger)
    rows = select(job, given.c.name, given.c.value, given.c.step, attempt)
    table = MetricRow.metadata.tables["metric"]  # as an entity, it would take the arrays for rows
    new = insert(table).from_select(["job_id", "name", "value", "step", "attempt"], rows)
    told = {name: getattr(new.excluded, name) for name in ("value", "step", "attempt")}
    stands = col(MetricRow.attempt).in_([POSTED, bindparam("stands", type_=BigInteger)])
    return new.on_conflict_do_update(
        index_elements=["job_id", "name"],
        set_={**told, "at": func.now()},
        where=or_(~stands, new.excluded.step >= col(MetricRow.step)),
    )


_KEEP = _statement()


async def forget_attempt(session: AsyncSession, row: JobRow) -> None:
    """Forget what a locked job's attempt told, which does not count: the next one has its number."""
    await session.execute(
        delete(MetricRow).where(col(MetricRow.job_id) == row.id, col(MetricRow.attempt) == row.attempt)
    )


async def latest_metrics(session: AsyncSession, jobs: Collection[str]) -> dict[str, dict[str, Metric]]:
    """The metrics of jobs as they stand, by job and name; a job without one is not among them.

    What an earlier attempt told, and the newest one has not told again, is not the job's any more.
    """
    newest = and_(
        col(JobRow.id) == col(MetricRow.job_id), col(MetricRow.attempt).in_([POSTED, col(JobRow.attempt)])
    )
    asked = any_(bindparam("jobs", list(jobs), type_=ARRAY(Text)))
    found = await session.scalars(
        select(MetricRow)
        .join(JobRow, newest)
        .where(col(MetricRow.job_id) == asked)
        .order_by(col(MetricRow.job_id), col(MetricRow.name))
    )
    standing: dict[str, dict[str, Metric]] = defaultdict(dict)
    for row in found:
        standing[row.job_id][row.name] = as_metric(row)
    return dict(standing)


def as_metric(row: MetricRow) -> Metric:
    """A row as callers see it."""
    return Metric(name=row.name, value=row.value, step=row.step, at=row.at, attempt=row.attempt)
