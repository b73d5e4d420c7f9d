"""Reading jobs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import Dependency, Failure, Job, JobState, Reason
from tiltyard.wire.model import Page
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.storage.cursor import decode_time_and_id, encode
from tiltyard_orchestrator.storage.tables import ExperimentRow, JobRow

SHORTEST_PREFIX = 4


@dataclass(frozen=True, kw_only=True)
class Ambiguous:
    """Several jobs begin with the id that was given."""

    candidates: list[str]


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; what is None does not filter."""

    states: Collection[JobState] = ()
    experiment: str | None = None
    sweep: str | None = None
    """The one that made them."""
    queue: str | None = None
    tag: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def as_job(row: JobRow, experiment: str) -> Job:
    """A row as callers see it."""
    return Job(
        id=row.id,
        experiment=experiment,
        archive=row.archive,
        entry_point=row.entry_point,
        parameters=row.parameters,
        queue=row.queue,
        state=JobState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        message=row.message,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        timeout=row.timeout,
        queue_timeout=row.queue_timeout,
        progress_timeout=row.progress_timeout,
        retry_on=[Failure(name) for name in row.retry_on],
        priority=row.priority,
        after=[Dependency.model_validate(one) for one in row.after],
        start_at=row.start_at,
        plugins=[PluginPin.model_validate(pin) for pin in row.plugins],
        parent=row.parent_id,
        bundle=row.bundle,
        sweep=row.sweep_id,
        held=row.held,
        cancel_requested=row.cancel_requested,
        description=row.description,
        tags=row.tags,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        mlflow_run_id=row.mlflow_run_id,
        seq=row.seq,
    )


def _with_experiment() -> Select[JobRow, str]:
    return select(JobRow, col(ExperimentRow.name)).join(
        ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id)
    )


async def get_job(session: AsyncSession, job: str) -> Job | None:
    """One job by its whole id."""
    found = (await session.execute(_with_experiment().where(col(JobRow.id) == job))).one_or_none()
    return as_job(*found) if found else None


async def find_job(session: AsyncSession, job: str) -> Job | Ambiguous | None:
    """One job by its id, or by the beginning of one if no other begins so."""
    if whole := await get_job(session, job):
        return whole
    if not may_begin_an_id(job):
        return None
    query = _with_experiment().where(col(JobRow.id).startswith(job, autoescape=True)).limit(5)
    found = (await session.execute(query)).all()
    if len(found) > 1:
        return Ambiguous(candidates=[row.id for row, _ in found])
    return as_job(*found[0]) if found else None


def may_begin_an_id(text: str) -> bool:
    """Whether a text is long enough to stand for an id that begins so, and one of ours could."""
    return len(text) >= SHORTEST_PREFIX and not set(text) - set("0123456789abcdef")


async def find_by_key(session: AsyncSession, key: str) -> JobRow | None:
    """The job that an idempotency key made."""
    return (await session.scalars(select(JobRow).where(col(JobRow.idempotency_key) == key))).one_or_none()


async def list_jobs(session: AsyncSession, wanted: JobFilter, *, cursor: str | None, limit: int) -> Page[Job]:
    """One page of jobs, newest first.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = _with_experiment().order_by(col(JobRow.created_at).desc(), col(JobRow.id).desc()).limit(limit + 1)
    for condition in conditions(wanted):
        query = query.where(condition)
    if cursor is not None:
        query = query.where(tuple_(col(JobRow.created_at), col(JobRow.id)) < decode_time_and_id(cursor))
    found = (await session.execute(query)).all()
    jobs = [as_job(*row) for row in found[:limit]]
    return Page(items=jobs, next=encode(jobs[-1].created_at, jobs[-1].id) if len(found) > limit else None)


def conditions(wanted: JobFilter) -> list[Any]:
    """A filter as predicates of a query that joins the experiments."""
    found: list[Any] = []
    if wanted.states:
        found.append(col(JobRow.state).in_([state.value for state in wanted.states]))
    if wanted.experiment is not None:
        found.append(col(ExperimentRow.name) == wanted.experiment)
    if wanted.sweep is not None:
        found.append(col(JobRow.sweep_id) == wanted.sweep)
    if wanted.queue is not None:
        found.append(col(JobRow.queue) == wanted.queue)
    if wanted.tag is not None:
        found.append(col(JobRow.tags).contains([wanted.tag]))
    if wanted.created_after is not None:
        found.append(col(JobRow.created_at) >= wanted.created_after)
    if wanted.created_before is not None:
        found.append(col(JobRow.created_at) < wanted.created_before)
    return found
