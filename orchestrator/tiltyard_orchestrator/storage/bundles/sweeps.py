"""Sweeps in bundles: those of which every cell has ended go with their jobs, and keep their ids and numbers."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import exists, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.bundles import CellRecord, SweepRecord
from tiltyard_orchestrator.storage.tables import CellRow, ExperimentRow, JobRow, SweepRow

Sweeps = list[tuple[SweepRecord, list[CellRecord]]]
BATCH = 1_000


async def ended_sweeps(session: AsyncSession, experiment: str) -> Sweeps:
    """An experiment's sweeps of which every job has ended, the oldest first."""
    on_its_way = (
        select(col(CellRow.number))
        .join(JobRow, col(JobRow.id) == col(CellRow.job_id))
        .where(col(CellRow.sweep_id) == col(SweepRow.id), col(JobRow.finished_at).is_(None))
    )
    rows = await session.scalars(
        select(SweepRow)
        .join(ExperimentRow, col(ExperimentRow.id) == col(SweepRow.experiment_id))
        .where(col(ExperimentRow.name) == experiment, ~exists(on_its_way))
        .order_by(col(SweepRow.created_at), col(SweepRow.id))
    )
    found = {row.id: row for row in rows}
    cells = await session.scalars(
        select(CellRow)
        .where(col(CellRow.sweep_id).in_(found))
        .order_by(col(CellRow.sweep_id), col(CellRow.number))
    )
    by_sweep = {
        sweep: [_cell(row) for row in some] for sweep, some in groupby(cells, lambda row: row.sweep_id)
    }
    return [(_sweep(row), by_sweep.get(row.id, [])) for row in found.values()]


async def new_sweeps(session: AsyncSession, sweeps: Sweeps) -> Sweeps:
    """Of sweeps that come, those that are not here."""
    known = await session.scalars(
        select(col(SweepRow.id)).where(col(SweepRow.id).in_([sweep.id for sweep, _ in sweeps]))
    )
    here = set(known)
    return [(sweep, cells) for sweep, cells in sweeps if sweep.id not in here]


async def insert_sweeps(session: AsyncSession, sweeps: Sweeps, *, experiment: str) -> None:
    """Write sweeps that came with jobs, and are not here. A cell whose job is not here has none."""
    for sweep, cells in sweeps:
        columns = sweep.model_dump(exclude={"axes", "submission", "mode"})
        axes = [axis.model_dump(mode="json", exclude_none=True) for axis in sweep.axes]
        submission = sweep.submission.model_dump(mode="json")
        told = {"axes": axes, "submission": submission, "mode": sweep.mode.value}
        await session.execute(insert(SweepRow).values(experiment_id=experiment, **columns, **told))
        for start in range(0, len(cells), BATCH):
            await _insert_cells(session, sweep.id, cells[start : start + BATCH], experiment)


async def _insert_cells(
    session: AsyncSession, sweep: str, cells: Sequence[CellRecord], experiment: str
) -> None:
    wanted = [cell.job for cell in cells if cell.job is not None]
    jobs = set(
        await session.scalars(
            select(col(JobRow.id)).where(col(JobRow.id).in_(wanted), col(JobRow.experiment_id) == experiment)
        )
    )
    rows = [
        cell.model_dump(exclude={"job"})
        | {"sweep_id": sweep, "job_id": cell.job if cell.job in jobs else None}
        for cell in cells
    ]
    if rows:
        await session.execute(insert(CellRow), rows)


def _sweep(row: SweepRow) -> SweepRecord:
    kept = SweepRecord.model_fields.keys() & row.model_dump().keys()
    return SweepRecord.model_validate(row.model_dump(include=set(kept)))


def _cell(row: CellRow) -> CellRecord:
    return CellRecord(
        number=row.number, digest=row.digest, values=row.values, job=row.job_id, reused=row.reused
    )
