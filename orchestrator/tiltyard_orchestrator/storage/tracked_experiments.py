"""What MLflow was told of our experiments, and what it has yet to be told."""

from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.tables import ExperimentRow, MlflowRemovalRow


@dataclass(frozen=True, kw_only=True)
class TrackedExperiment:
    """An experiment of ours, and MLflow's beside it as far as it is known."""

    id: str
    name: str
    mlflow_id: str | None
    mlflow_name: str | None
    """What MLflow calls it; None: not known."""


async def find_untold(session: AsyncSession, *, limit: int = 100) -> list[TrackedExperiment]:
    """Experiments that MLflow has not, or has under another name; the oldest change first."""
    other = col(ExperimentRow.mlflow_name).is_distinct_from(col(ExperimentRow.name))
    query = select(ExperimentRow).where(or_(col(ExperimentRow.mlflow_experiment_id).is_(None), other))
    found = await session.scalars(query.order_by(col(ExperimentRow.updated_at)).limit(limit))
    return [_of(row) for row in found]


async def find_tracked(
    session: AsyncSession, *, name: str | None = None, mlflow_id: str | None = None
) -> TrackedExperiment | None:
    """The experiment of this name, or beside this one of MLflow's."""
    query = select(ExperimentRow)
    if name is not None:
        query = query.where(col(ExperimentRow.name) == name)
    else:
        query = query.where(col(ExperimentRow.mlflow_experiment_id) == mlflow_id)
    row = (await session.scalars(query.limit(1))).one_or_none()
    return _of(row) if row else None


async def note_told(session: AsyncSession, before: TrackedExperiment, mlflow_id: str) -> None:
    """Write down that MLflow has an experiment now, under the name that was read before it was told.

    Another gateway may have told it something meanwhile, and nobody knows whose word was the last: then its name counts as
    not known, and it is told again. One that is gone meanwhile is to be removed there too.
    """
    mine = col(ExperimentRow.id) == before.id
    as_read = col(ExperimentRow.mlflow_experiment_id).is_not_distinct_from(before.mlflow_id)
    unchanged = col(ExperimentRow.mlflow_name).is_not_distinct_from(before.mlflow_name)
    told = {"mlflow_experiment_id": mlflow_id, "mlflow_name": before.name}
    written = await session.scalar(
        update(ExperimentRow).where(mine, as_read, unchanged).values(**told).returning(col(ExperimentRow.id))
    )
    if written is not None:
        return
    doubted = update(ExperimentRow).where(mine).values(mlflow_name=None).returning(col(ExperimentRow.id))
    if await session.scalar(doubted) is None and not await is_used(session, mlflow_id):
        await add_removal(session, mlflow_id)


async def forget_told(session: AsyncSession, experiment: TrackedExperiment) -> None:
    """MLflow does not have it after all."""
    await session.execute(
        update(ExperimentRow)
        .where(col(ExperimentRow.id) == experiment.id)
        .where(col(ExperimentRow.mlflow_experiment_id) == experiment.mlflow_id)
        .values(mlflow_experiment_id=None, mlflow_name=None)
    )


async def is_used(session: AsyncSession, mlflow_id: str) -> bool:
    """Whether an experiment of ours stands beside one of MLflow's."""
    query = select(func.count()).where(col(ExperimentRow.mlflow_experiment_id) == mlflow_id)
    return bool(await session.scalar(query))


async def add_removal(session: AsyncSession, mlflow_id: str) -> None:
    """Have an experiment of MLflow's removed."""
    added = insert(MlflowRemovalRow).values(mlflow_experiment_id=mlflow_id)
    await session.execute(added.on_conflict_do_nothing())


async def find_removals(session: AsyncSession) -> list[str]:
    """The experiments of MLflow's that are to be removed."""
    query = select(col(MlflowRemovalRow.mlflow_experiment_id)).order_by(col(MlflowRemovalRow.created_at))
    return list((await session.scalars(query)).all())


async def forget_removal(session: AsyncSession, mlflow_id: str) -> None:
    """It is removed, or is not to be."""
    await session.execute(
        delete(MlflowRemovalRow).where(col(MlflowRemovalRow.mlflow_experiment_id) == mlflow_id)
    )


def _of(row: ExperimentRow) -> TrackedExperiment:
    return TrackedExperiment(
        id=row.id, name=row.name, mlflow_id=row.mlflow_experiment_id, mlflow_name=row.mlflow_name
    )
