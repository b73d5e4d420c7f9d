"""Experiments: made when first named, renamed in place, deleted only when nothing of them is still to run."""

import secrets
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.experiments import Experiment, ExperimentDraft, ExperimentPatch
from tiltyard.wire.jobs import FINAL_STATES
from tiltyard.wire.model import Page
from tiltyard_orchestrator.artifacts.keys import artifact_key
from tiltyard_orchestrator.storage.cursor import decode_name, encode
from tiltyard_orchestrator.storage.tables import ArtifactRow, ExperimentRow, JobRow
from tiltyard_orchestrator.storage.tracked_experiments import add_removal


@dataclass(frozen=True, kw_only=True)
class NameTaken:
    """Another experiment has this name."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The experiment has jobs that have not ended."""

    jobs: int


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """The experiment is gone with its jobs; their files in the store have these keys."""

    jobs: int
    keys: list[str]


async def ensure_experiment(session: AsyncSession, name: str) -> str:
    """The id of the experiment of this name, which is made if there is none."""
    query = select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == name)
    if found := await session.scalar(query):
        return found
    await session.execute(_insert(name, ""))
    # Where another transaction made it at the same moment, ours waited for it to commit.
    return (await session.execute(query)).scalar_one()


async def create_experiment(session: AsyncSession, draft: ExperimentDraft) -> Experiment | NameTaken:
    """Make an experiment."""
    made = await session.scalar(_insert(draft.name, draft.description).returning(col(ExperimentRow.id)))
    if made is None:
        return NameTaken(name=draft.name)
    created = await get_experiment(session, draft.name)
    assert created is not None, "it was made above"
    return created


async def get_experiment(session: AsyncSession, name: str) -> Experiment | None:
    """One experiment, with its jobs counted by state."""
    row = await _row(session, name)
    return (await _counted(session, [row]))[0] if row else None


async def lock_experiment(session: AsyncSession, name: str) -> None:
    """Let nobody else change an experiment until this transaction ends; who is about to is waited for."""
    query = select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == name)
    await session.execute(query.with_for_update())


async def list_experiments(session: AsyncSession, *, cursor: str | None, limit: int) -> Page[Experiment]:
    """One page of experiments, by name.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = select(ExperimentRow).order_by(col(ExperimentRow.name)).limit(limit + 1)
    if cursor is not None:
        query = query.where(col(ExperimentRow.name) > decode_name(cursor))
    rows = list((await session.scalars(query)).all())
    items = await _counted(session, rows[:limit])
    return Page(items=items, next=encode(items[-1].name) if len(rows) > limit else None)


async def patch_experiment(
    session: AsyncSession, name: str, patch: ExperimentPatch
) -> Experiment | NameTaken | None:
    """Change what the patch names."""
    values = patch.model_dump(exclude_none=True)
    try:
        async with session.begin_nested():
            changed = await session.scalar(
                update(ExperimentRow)
                .where(col(ExperimentRow.name) == name)
                .values(**values, updated_at=func.now())
                .returning(col(ExperimentRow.name))
            )
    except IntegrityError:
        return NameTaken(name=str(patch.name))
    session.expire_all()
    return await get_experiment(session, changed) if changed else None


async def delete_experiment(session: AsyncSession, name: str) -> Deleted | Unfinished | None:
    """Remove an experiment whose jobs have all ended, with those jobs, their events and their artifacts."""
    found = await session.scalars(
        select(ExperimentRow).where(col(ExperimentRow.name) == name).with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        return None
    in_it = col(JobRow.experiment_id) == row.id
    ended = col(JobRow.state).in_([state.value for state in FINAL_STATES])
    if unfinished := await session.scalar(select(func.count()).select_from(JobRow).where(in_it, ~ended)):
        return Unfinished(jobs=unfinished)
    # In the order of their names, as everybody locks jobs: who deletes waits for who submits after one, and not both.
    await session.execute(select(col(JobRow.id)).where(in_it).order_by(col(JobRow.id)).with_for_update())
    artifacts = await session.execute(
        select(
            col(ArtifactRow.job_id), col(ArtifactRow.epoch), col(ArtifactRow.path), col(ArtifactRow.sha256)
        )
        .join(JobRow, col(JobRow.id) == col(ArtifactRow.job_id))
        .where(in_it)
    )
    keys = [artifact_key(*place) for place in artifacts]
    jobs = (await session.scalars(delete(JobRow).where(in_it).returning(col(JobRow.id)))).all()
    await session.execute(delete(ExperimentRow).where(col(ExperimentRow.id) == row.id))
    if row.mlflow_experiment_id is not None:
        await add_removal(session, row.mlflow_experiment_id)
    return Deleted(jobs=len(jobs), keys=keys)


async def _row(session: AsyncSession, name: str) -> ExperimentRow | None:
    return (await session.scalars(select(ExperimentRow).where(col(ExperimentRow.name) == name))).one_or_none()


async def _counted(session: AsyncSession, rows: list[ExperimentRow]) -> list[Experiment]:
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    counted = await session.execute(
        select(col(JobRow.experiment_id), col(JobRow.state), func.count())
        .where(col(JobRow.experiment_id).in_([row.id for row in rows]))
        .group_by(col(JobRow.experiment_id), col(JobRow.state))
    )
    for experiment, state, count in counted:
        counts[experiment][state] = count
    return [
        Experiment(
            name=row.name,
            description=row.description,
            jobs=counts[row.id],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _insert(name: str, description: str) -> Insert:
    return (
        insert(ExperimentRow)
        .values(id=secrets.token_hex(10), name=name, description=description)
        .on_conflict_do_nothing(index_elements=["name"])
    )
