"""The rows of a sweep: a chunk of cells, and of their jobs with their first events, in one statement each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Integer, Text, and_, case, column, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.turn import head_start
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.jobs.submit import NewJob
from tiltyard_orchestrator.storage.tables import CellRow, EventRow, JobRow

CHUNK = 2_000
"""Cells of one statement."""
CHUNK_BYTES = 16 * 2**20
"""Of one statement, or hardly more: PostgreSQL takes no JSON of 256 MiB, and holds all of it in memory."""


def write_jobs(
    columns: Mapping[str, Any], new: NewJob, records: Sequence[dict[str, Any]]
) -> ReturningInsert[str]:
    """The jobs and their events in one statement."""
    cell: Any = (
        func.jsonb_to_recordset(literal(list(records), JSONB))
        .table_valued(
            column("job", Text), column("parameters", JSONB), column("command", Text), column("digest", Text),
            column("state", Text), column("held", Boolean), column("after", JSONB), column("inputs", JSONB),
        )
        .render_derived(name="cell", with_types=True)
    )  # fmt: skip
    queued = cell.c.state == JobState.queued.value
    now = func.now()
    until = None if new.queue_timeout is None else now + seconds(new.queue_timeout)
    own = {
        "id": cell.c.job,
        "parameters": cell.c.parameters,
        "command": cell.c.command,
        "digest": cell.c.digest,
        "after": func.coalesce(cell.c.after, _typed("after", columns["after"])),
        "inputs": func.coalesce(cell.c.inputs, _typed("inputs", columns["inputs"])),
        "state": cell.c.state,
        "held": cell.c.held,
        "dispatch_at": case((queued, now)),
        "ready_at": case((queued, now)),
        "turn_at": case((queued, now - seconds(head_start(new.priority)))),
        "queued_until": literal(None) if until is None else case((and_(queued, ~cell.c.held), until)),
    }
    values = {name: _typed(name, value) for name, value in columns.items()} | own
    row = (
        insert(JobRow)
        .from_select(list(values), select(*values.values()))
        .returning(col(JobRow.id), col(JobRow.created_at), col(JobRow.state))
        .cte("row")
    )
    return insert_first_events(row)


def insert_first_events(row: Any) -> ReturningInsert[str]:
    """Event 0 of each job that a statement inserts."""
    kind, attempt = literal(EventKind.state.value), literal(0)
    data = func.jsonb_build_object("state", row.c.state)
    return (
        insert(EventRow)
        .from_select(
            ["job_id", "seq", "at", "kind", "attempt", "data"],
            select(row.c.id, literal(0), row.c.created_at, kind, attempt, data),
        )
        .returning(col(EventRow.job_id))
    )


def _typed(name: str, value: Any) -> Any:
    return literal(value, JobRow.__table__.c[name].type)  # type: ignore[attr-defined]


def write_cells(sweep: str, records: Sequence[dict[str, Any]]) -> Any:
    """The cells in one statement."""
    written = ("number", "job", "digest", "values", "reused")
    told = [{name: record[name] for name in written} for record in records]
    cell: Any = (
        func.jsonb_to_recordset(literal(told, JSONB))
        .table_valued(
            column("number", Integer), column("job", Text), column("digest", Text), column("values", JSONB),
            column("reused", Boolean),
        )
        .render_derived(name="new_cell", with_types=True)
    )  # fmt: skip
    return insert(CellRow).from_select(
        ["sweep_id", "number", "job_id", "digest", "values", "reused"],
        select(literal(sweep), cell.c.number, cell.c.job, cell.c.digest, cell.c["values"], cell.c.reused),
    )


def chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """A few at a time: as many as one statement may hold, and fewer where they are long."""
    chunk: list[Any] = []
    weight = 0
    for item in items:
        own = _weight(item)
        if chunk and (len(chunk) == CHUNK or weight + own > CHUNK_BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append(item)
        weight += own
    if chunk:
        yield chunk


def _weight(item: Any) -> int:
    """About how many bytes PostgreSQL takes for it."""
    match item:
        case str():
            return len(item)
        case dict():
            return sum(len(name) + _weight(value) for name, value in item.items())
        case list():
            return sum(map(_weight, item))
        case _:
            return 12
