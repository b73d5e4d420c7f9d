"""What pictures are drawn of: the cells of a sweep or the jobs of an experiment, with one metric, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.sweeps import Sweep, SweepMode
from tiltyard_orchestrator.domain.curves import Row
from tiltyard_orchestrator.storage.results.metrics import POSTED
from tiltyard_orchestrator.storage.tables import ArchiveRow, CellRow, ExperimentRow, JobRow, MetricRow


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """A sweep or an experiment, as far as a picture of it needs to know."""

    id: str
    title: str
    sweep: bool
    sampled: bool
    """Whether its jobs may be no grid."""
    first: Sequence[str]
    """Its axes, or the parameters of its entry point, in the order in which they were declared."""
    entry_point: EntryPoint | None
    """None: its archive is gone, or it has no job yet."""


async def plotted_sweep(session: AsyncSession, sweep: Sweep) -> Plotted:
    """A sweep, with what its entry point declares."""
    return Plotted(
        id=sweep.id,
        title=sweep.description.partition("\n")[0] or sweep.experiment,
        sweep=True,
        sampled=sweep.mode is SweepMode.random,
        first=[axis.parameter for axis in sweep.axes],
        entry_point=await _entry_point(session, sweep.archive, sweep.entry_point),
    )


async def plotted_experiment(session: AsyncSession, name: str) -> Plotted | None:
    """An experiment by its name; parameters are called as its newest job's entry point calls them."""
    found = await session.scalars(select(ExperimentRow).where(col(ExperimentRow.name) == name))
    row = found.one_or_none()
    if row is None:
        return None
    newest = await session.execute(
        select(col(JobRow.archive), col(JobRow.entry_point))
        .where(col(JobRow.experiment_id) == row.id)
        .order_by(col(JobRow.created_at).desc(), col(JobRow.id).desc())
        .limit(1)
    )
    job = newest.one_or_none()
    declared = await _entry_point(session, job[0], job[1]) if job else None
    return Plotted(
        id=row.id,
        title=row.name,
        sweep=False,
        sampled=True,
        first=[one.name for one in declared.parameters] if declared else [],
        entry_point=declared,
    )


async def told_metrics(session: AsyncSession, plotted: Plotted) -> list[str]:
    """The names of the metrics that its jobs have told so far."""
    job = and_(col(JobRow.id) == col(MetricRow.job_id), _stands())
    of_it: ColumnElement[bool]
    if plotted.sweep:
        of_it = exists().where(col(CellRow.sweep_id) == plotted.id, col(CellRow.job_id) == col(JobRow.id))
    else:
        of_it = col(JobRow.experiment_id) == plotted.id
    return list(await session.scalars(select(col(MetricRow.name)).join(JobRow, job).where(of_it).distinct()))


async def count_rows(session: AsyncSession, plotted: Plotted) -> int:
    """How many cells or jobs it has."""
    table, its = (CellRow, col(CellRow.sweep_id)) if plotted.sweep else (JobRow, col(JobRow.experiment_id))
    return await session.scalar(select(func.count()).select_from(table).where(its == plotted.id)) or 0


async def read_rows(session: AsyncSession, plotted: Plotted, metric: str) -> list[Row]:
    """Every cell or job of it with one metric, in the order of cells, or the newest job first."""
    value = and_(col(MetricRow.job_id) == col(JobRow.id), col(MetricRow.name) == metric, _stands())
    if plotted.sweep:
        query: Any = (
            select(col(CellRow.values), col(MetricRow.value), col(JobRow.state))
            .outerjoin(JobRow, col(JobRow.id) == col(CellRow.job_id))
            .outerjoin(MetricRow, value)
            .where(col(CellRow.sweep_id) == plotted.id)
            .order_by(col(CellRow.number))
        )
    else:
        query = (
            select(col(JobRow.parameters), col(MetricRow.value), col(JobRow.state))
            .outerjoin(MetricRow, value)
            .where(col(JobRow.experiment_id) == plotted.id)
            .order_by(col(JobRow.created_at).desc(), col(JobRow.id).desc())
        )
    found = await session.execute(query)
    return [Row(values=values, metric=number, state=state) for values, number, state in found]


def _stands() -> Any:
    # What an earlier attempt told is not the job's any more.
    return col(MetricRow.attempt).in_([POSTED, col(JobRow.attempt)])


async def _entry_point(session: AsyncSession, archive: str, name: str) -> EntryPoint | None:
    points = await session.scalar(
        select(col(ArchiveRow.entry_points)).where(col(ArchiveRow.sha256) == archive)
    )
    return next((EntryPoint.model_validate(one) for one in points or () if one["name"] == name), None)
