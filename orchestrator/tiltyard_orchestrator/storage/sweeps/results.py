"""Reading what the cells of a sweep came to, page by page in the order of the cells."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard.wire.model import Json, Page
from tiltyard.wire.sweep_results import CellResult
from tiltyard.wire.sweeps import Sweep
from tiltyard_orchestrator.storage.cursor import decode_number, encode
from tiltyard_orchestrator.storage.results.columns import Columns, ParameterKind, columns_of
from tiltyard_orchestrator.storage.results.metrics import latest_metrics
from tiltyard_orchestrator.storage.tables import CellRow, JobRow

_WIDEST = 2**63


async def sweep_results(
    session: AsyncSession,
    sweep: str,
    *,
    axes: Sequence[str],
    parameters: bool,
    cursor: str | None,
    limit: int,
) -> Page[CellResult]:
    """One page of a sweep's cells with their metrics; values come in the order of these axes.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = (
        select(CellRow, col(JobRow.state), col(JobRow.parameters))
        .outerjoin(JobRow, col(JobRow.id) == col(CellRow.job_id))
        .where(col(CellRow.sweep_id) == sweep)
        .order_by(col(CellRow.number))
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(col(CellRow.number) > decode_number(cursor))
    found = (await session.execute(query)).all()
    told = await latest_metrics(session, [row.job_id for row, _, _ in found[:limit] if row.job_id])
    items = [
        CellResult(
            number=row.number,
            job=row.job_id,
            state=JobState(state) if state else None,
            reused=row.reused,
            values={name: row.values[name] for name in axes if name in row.values},
            parameters=given if parameters else None,
            metrics={name: metric.value for name, metric in told.get(row.job_id or "", {}).items()},
        )
        for row, state, given in found[:limit]
    ]
    return Page(items=items, next=encode(items[-1].number) if len(found) > limit else None)


async def columns_of_cells(
    session: AsyncSession, sweep: Sweep, *, parameters: bool, metrics: Sequence[str]
) -> Columns:
    """The columns of a table of all cells: the axes in their order, then the other parameters where they are told."""
    own = col(JobRow.id).in_(select(col(CellRow.job_id)).where(col(CellRow.sweep_id) == sweep.id))
    found = await columns_of(session, own)
    # Of the cells, and not of the jobs alone: one whose job is gone has its values still.
    axes = {axis.parameter: _kind(axis.values or ()) for axis in sweep.axes}
    return Columns(
        parameters=axes | (found.parameters if parameters else {}), metrics=sorted(metrics), at=found.at
    )


def _kind(values: Sequence[Json]) -> ParameterKind:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int} and all(isinstance(value, int) and abs(value) < _WIDEST for value in values):
        return "integer"
    return "number" if kinds and kinds <= {int, float} else "text"
