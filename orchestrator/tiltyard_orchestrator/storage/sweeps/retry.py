"""Retry a sweep: a new job for each cell whose job was lost, made from that job and naming it as its parent.

Where another job of the experiment is known by the cell's digest by now, the cell is linked to it, and nothing is run. Which
cells are lost, and what their next jobs run after, is told by `lost.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Boolean, Integer, Text, and_, case, column, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.turn import head_start
from tiltyard_orchestrator.storage.jobs.moves import interval
from tiltyard_orchestrator.storage.jobs.submit import new_id
from tiltyard_orchestrator.storage.sweeps.let_go import count_under_way
from tiltyard_orchestrator.storage.sweeps.lost import LostCell, lost_cells
from tiltyard_orchestrator.storage.sweeps.rows import chunks, insert_first_events
from tiltyard_orchestrator.storage.sweeps.steer import lock_sweep
from tiltyard_orchestrator.storage.sweeps.submit import known_jobs, lock_experiment
from tiltyard_orchestrator.storage.tables import CellRow, JobRow, SweepRow

_KEPT = (
    "experiment_id", "archive", "entry_point", "command", "queue", "timeout", "queue_timeout", "progress_timeout",
    "max_attempts", "retry_on", "priority", "plugins", "inputs", "tags", "description",
)  # fmt: skip
"""What a retried job has of its parent: all but what decides which inputs it gets and when, and how that one went."""


@dataclass(frozen=True, kw_only=True)
class Retried:
    """What became of the cells that were to be run once more."""

    jobs: list[str] = field(default_factory=list)
    """The new ones."""
    linked: int = 0
    passed_over: int = 0
    """Those that a dependency ended: what they were made of will never be there."""
    unmet: list[str] = field(default_factory=list)
    """The first of those dependencies."""


async def retry_sweep(session: AsyncSession, sweep: str, *, cancelled: bool) -> Retried | None:
    """Write the new jobs. The versions of their plugins are held by the caller. None: there is no such sweep.

    Args:
        session: the transaction.
        sweep: its id.
        cancelled: whether cells whose job was cancelled are run once more, too.
    """
    experiment = await session.scalar(select(col(SweepRow.experiment_id)).where(col(SweepRow.id) == sweep))
    if experiment is None:
        return None
    await lock_experiment(session, experiment)
    row = await lock_sweep(session, sweep)
    if row is None:
        return None
    lost = await lost_cells(session, sweep, cancelled=cancelled)
    known = await known_jobs(session, experiment, {cell.digest for cell in lost.cells})
    records = await _records(session, row, lost.cells, known)
    made = [record for record in records if not record["linked"]]
    for chunk in chunks(made):
        await session.execute(_write_jobs(sweep, chunk))
    for chunk in chunks(records):
        await session.execute(_link_cells(sweep, chunk))
    if records:
        values = {"cancelled_at": None, "updated_at": func.now()}
        await session.execute(update(SweepRow).where(col(SweepRow.id) == sweep).values(values))
    return Retried(
        jobs=[record["job"] for record in made],
        linked=len(records) - len(made),
        passed_over=lost.passed_over,
        unmet=lost.unmet,
    )


async def _records(
    session: AsyncSession, row: SweepRow, cells: Sequence[LostCell], known: dict[str, str]
) -> list[dict[str, Any]]:
    room = 0 if row.paused else len(cells)
    if row.max_parallel is not None and not row.paused:
        room = row.max_parallel - await count_under_way(session, row.id)
    ids = iter(sorted(new_id() for _ in cells))
    records = []
    for cell in cells:
        job = known.setdefault(cell.digest, own := next(ids))
        linked = job != own
        queued = not linked and not cell.waits
        record = {
            "number": cell.number,
            "job": job,
            "parent": cell.job,
            "linked": linked,
            "digest": cell.digest,
            "parameters": cell.parameters,
            "state": (JobState.waiting if cell.waits else JobState.queued).value,
            "held": queued and room <= 0,
            "after": [one.model_dump(mode="json") for one in cell.after],
        }
        records.append(record)
        room -= queued
    return records


def _write_jobs(sweep: str, records: Sequence[dict[str, Any]]) -> ReturningInsert[str]:
    new: Any = (
        func.jsonb_to_recordset(literal(list(records), JSONB))
        .table_valued(
            column("job", Text), column("parent", Text), column("digest", Text), column("parameters", JSONB),
            column("state", Text), column("held", Boolean), column("after", JSONB),
        )
        .render_derived(name="new_job", with_types=True)
    )  # fmt: skip
    now, wait = func.now(), col(JobRow.queue_timeout)
    queued = new.c.state == JobState.queued.value
    values: dict[str, Any] = {name: JobRow.__table__.c[name] for name in _KEPT} | {  # type: ignore[attr-defined]
        "id": new.c.job,
        "parent_id": col(JobRow.id),
        "sweep_id": literal(sweep),
        "parameters": func.coalesce(new.c.parameters, col(JobRow.parameters)),
        "digest": new.c.digest,
        "after": new.c.after,
        "state": new.c.state,
        "held": new.c.held,
        "dispatch_at": case((queued, now)),
        "ready_at": case((queued, now)),
        "turn_at": case((queued, now - interval(col(JobRow.priority) * head_start(1)))),
        "queued_until": case((and_(wait.is_not(None), queued, ~new.c.held), now + interval(wait))),
        **{name: literal(0) for name in ("attempt", "epoch", "seq", "reported")},
    }
    row = (
        insert(JobRow)
        .from_select(
            list(values),
            select(*values.values()).select_from(new.join(JobRow, col(JobRow.id) == new.c.parent)),
        )
        .returning(col(JobRow.id), col(JobRow.created_at), col(JobRow.state))
        .cte("row")
    )
    return insert_first_events(row)


def _link_cells(sweep: str, records: Sequence[dict[str, Any]]) -> Any:
    new: Any = (
        func.jsonb_to_recordset(literal(list(records), JSONB))
        .table_valued(
            column("number", Integer), column("job", Text), column("digest", Text), column("linked", Boolean)
        )
        .render_derived(name="new_cell", with_types=True)
    )
    return (
        update(CellRow)
        .where(col(CellRow.sweep_id) == sweep, col(CellRow.number) == new.c.number)
        .values(job_id=new.c.job, digest=new.c.digest, reused=new.c.linked)
        .execution_options(synchronize_session=False)
    )
