"""Exports: jobs that ended long ago leave the tables; what is known of them is kept by the store, and a line of it here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from tiltyard.wire.history import ExportedJob
from tiltyard.wire.jobs import Job, JobState, Reason
from tiltyard.wire.model import Page
from tiltyard_orchestrator.storage.cursor import decode_time_and_id, encode
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.jobs.read import as_job
from tiltyard_orchestrator.storage.tables import (
    ArtifactRow,
    ExperimentRow,
    ExportedJobRow,
    JobRow,
    PostedMetricRow,
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the store has of an exported job."""

    events: int
    posted: int
    """How many of its metrics others posted."""
    size: int
    sha256: str


async def count_old(session: AsyncSession, *, older_than: float) -> int:
    """How many jobs ended longer ago than so many seconds, and are waited for by nobody."""
    query = select(func.count()).select_from(JobRow).where(*_old(older_than))
    return int((await session.execute(query)).scalar_one())


async def old_jobs(session: AsyncSession, *, older_than: float, limit: int) -> list[Job]:
    """Some jobs that ended longer ago, the oldest first."""
    found = await session.execute(
        select(JobRow, col(ExperimentRow.name))
        .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
        .where(*_old(older_than))
        .order_by(col(JobRow.finished_at), col(JobRow.id))
        .limit(limit)
    )
    return [as_job(row, experiment) for row, experiment in found.all()]


async def all_artifacts(session: AsyncSession, job: str) -> Sequence[ArtifactRow]:
    """Every file of every attempt."""
    query = select(ArtifactRow).where(col(ArtifactRow.job_id) == job)
    return (await session.scalars(query.order_by(col(ArtifactRow.epoch), col(ArtifactRow.path)))).all()


async def leave(session: AsyncSession, job: Job, record: Record) -> bool:
    """Note the record, which is in the store, and take the job out of the tables.

    Returns:
        Whether it was there to take out: of two that export the same job, one does. A job for which somebody posted a metric
        meanwhile stays, to be exported anew.
    """
    # Who posts holds the row; whoever did so before us is seen by the next statement.
    await session.execute(select(col(JobRow.id)).where(col(JobRow.id) == job.id).with_for_update())
    of_it = col(PostedMetricRow.job_id) == job.id
    posted = await session.scalar(select(func.count()).select_from(PostedMetricRow).where(of_it))
    if posted != record.posted:
        return False
    gone = await session.scalar(
        delete(JobRow)
        .where(col(JobRow.id) == job.id, *_unwaited())
        .returning(col(JobRow.id))
        .execution_options(synchronize_session=False)
    )
    if gone is None:
        return False
    await session.execute(
        insert(ExportedJobRow).values(
            id=job.id,
            experiment=job.experiment,
            entry_point=job.entry_point,
            state=job.state.value,
            reason=job.reason.value if job.reason else None,
            created_at=job.created_at,
            finished_at=job.finished_at,
            events=record.events,
            size=record.size,
            sha256=record.sha256,
        )
    )
    return True


async def get_exported(session: AsyncSession, job: str) -> ExportedJob | None:
    """One exported job, by its whole id."""
    row = await session.get(ExportedJobRow, job)
    return None if row is None else _as_exported(row)


async def list_exported(session: AsyncSession, *, cursor: str | None, limit: int) -> Page[ExportedJob]:
    """One page of exported jobs, those first that ended last.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = select(ExportedJobRow).order_by(
        col(ExportedJobRow.finished_at).desc(), col(ExportedJobRow.id).desc()
    )
    if cursor is not None:
        place = tuple_(col(ExportedJobRow.finished_at), col(ExportedJobRow.id))
        query = query.where(place < decode_time_and_id(cursor))
    rows = (await session.scalars(query.limit(limit + 1))).all()
    items = [_as_exported(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next=encode(items[-1].finished_at, items[-1].id) if more else None)


def _old(older_than: float) -> list[ColumnElement[bool]]:
    return [col(JobRow.finished_at) < func.now() - seconds(older_than), *_unwaited()]


def _unwaited() -> list[ColumnElement[bool]]:
    # A job that others wait for stays until they have looked at how it ended.
    waiter = aliased(JobRow)
    named = func.jsonb_build_array(func.jsonb_build_object("job", col(JobRow.id)))
    waits = select(literal(1)).where(col(waiter.state) == JobState.waiting, col(waiter.after).contains(named))
    return [col(JobRow.finished_at).is_not(None), ~exists(waits)]


def _as_exported(row: ExportedJobRow) -> ExportedJob:
    values: dict[str, Any] = row.model_dump()
    return ExportedJob(
        **values | {"state": JobState(row.state), "reason": Reason(row.reason) if row.reason else None}
    )
