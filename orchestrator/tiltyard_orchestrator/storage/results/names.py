"""The names of the metrics and parameters that jobs have, and what to say of one that none has."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, column, exists, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text
from sqlmodel import col

from tiltyard_orchestrator.domain.questions import Kind, no_such
from tiltyard_orchestrator.storage.results.metrics import POSTED
from tiltyard_orchestrator.storage.tables import ExperimentRow, JobRow, MetricRow


async def find_experiment(session: AsyncSession, name: str) -> str | None:
    """The id of the experiment of this name."""
    found: str | None = await session.scalar(
        select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == name)
    )
    return found


async def metric_names(session: AsyncSession, *wanted: ColumnElement[bool]) -> list[str]:
    """The metrics of the wanted jobs, by name."""
    query = _measured().with_only_columns(col(MetricRow.name)).where(*wanted).distinct()
    return sorted(await session.scalars(query))


async def parameter_names(session: AsyncSession, *wanted: ColumnElement[bool]) -> list[str]:
    """The parameters of the wanted jobs, by name."""
    each = func.jsonb_object_keys(col(JobRow.parameters)).table_valued(column("key", Text)).render_derived()
    query = select(each.c.key).select_from(JobRow).join(each, true()).where(*wanted).distinct()
    return sorted(await session.scalars(query))


async def unknown_name(
    session: AsyncSession, experiment: str, called: str, kind: Kind, name: str
) -> str | None:
    """What to say of a metric or a parameter that no job of an experiment has; None if one has it.

    Args:
        session: a transaction.
        experiment: its id.
        called: its name.
        kind: what the name is of.
        name: the name that was given.
    """
    in_it = col(JobRow.experiment_id) == experiment
    if kind == "metric":
        found = _measured().where(in_it, col(MetricRow.name) == name)
    else:
        found = select(literal(1)).where(in_it, col(JobRow.parameters)[name].is_not(None))
    if await session.scalar(select(exists(found))):
        return None
    known = await (metric_names if kind == "metric" else parameter_names)(session, in_it)
    return no_such(kind, name, known, called)


def _measured() -> Select[Any]:
    """Jobs with their metrics as they stand."""
    stands = and_(
        col(MetricRow.job_id) == col(JobRow.id), col(MetricRow.attempt).in_([POSTED, col(JobRow.attempt)])
    )
    return select(literal(1)).select_from(JobRow).join(MetricRow, stands)
