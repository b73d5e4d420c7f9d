"""Submit: the job row and its event 0 in one transaction. The row is due at once; nothing is published here.

A job that is to wait, for other jobs or for a moment, is written as waiting, and settled in the same transaction: if there
is nothing to wait for any more, it is queued or has ended when the answer is given.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB, Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import RETRIED_BY_DEFAULT, Dependency, Failure, Job, JobState
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.domain.turn import head_start
from tiltyard_orchestrator.storage.experiments import ensure_experiment
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.jobs.read import find_by_key, get_job
from tiltyard_orchestrator.storage.jobs.settle import settle
from tiltyard_orchestrator.storage.tables import EventRow, JobRow


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A checked submission, with everything resolved that decides what will run."""

    experiment: str
    archive: str
    entry_point: str
    parameters: dict[str, Any]
    command: str
    queue: str
    timeout: float | None
    max_attempts: int
    queue_timeout: float | None = None
    progress_timeout: float | None = None
    retry_on: tuple[Failure, ...] = RETRIED_BY_DEFAULT
    priority: int = 5
    after: list[Dependency] = field(default_factory=list)
    start_at: datetime | None = None
    plugins: list[PluginPin] = field(default_factory=list)
    """Held in this transaction, so that none of them is deleted before the job is there."""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    """What its models are: see `storage.inputs.model_records`."""
    parent: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    request_digest: str | None = None
    """The SHA-256 of the request's body: what the idempotency key stands for."""
    digest: str | None = None
    """Of all that determines what it comes to; None: no sweep may take it for a cell of its own."""

    @property
    def state(self) -> JobState:
        """Where it begins."""
        return JobState.waiting if self.after or self.start_at else JobState.queued


@dataclass(frozen=True, kw_only=True)
class KeyReused:
    """The idempotency key was used before, for another request."""

    job: str


class UnknownJobs(ValueError):
    """A job is to wait for jobs that are not there."""

    def __init__(self, jobs: list[str]) -> None:
        super().__init__(f"there is no job {', '.join(jobs)}")
        self.jobs = jobs


def new_id() -> str:
    """An opaque id that is unique in all its testbed's life: 80 random bits, in hex."""
    return secrets.token_hex(10)


async def submitted_before(session: AsyncSession, key: str, digest: str) -> Job | KeyReused | None:
    """What an idempotency key stands for already, if anything."""
    row = await find_by_key(session, key)
    if row is None:
        return None
    if row.request_digest != digest:
        return KeyReused(job=row.id)
    return await get_job(session, row.id)


async def submit(session: AsyncSession, new: NewJob) -> tuple[Job, bool] | KeyReused:
    """Write a job, due now unless it is to wait.

    Returns:
        The job, and whether it is new: the same key with the same request gives the job that is there.

    Raises:
        UnknownJobs: it is to wait for jobs that are not there.
    """
    await check_dependencies(session, new.after)
    experiment_id = await ensure_experiment(session, new.experiment)
    written = (await session.execute(_write(new, experiment_id))).one_or_none()
    if written is None:
        assert new.idempotency_key is not None, "only an idempotency key can conflict"
        before = await submitted_before(session, new.idempotency_key, new.request_digest or "")
        assert before is not None, "the key that conflicted is committed"
        return before if isinstance(before, KeyReused) else (before, False)
    job, created_at = written
    if new.state is JobState.waiting:
        await settle(session, jobs=[job])
        settled = await get_job(session, job)
        assert settled is not None, "it was written above"
        return settled, True
    return _as_job(new, job, created_at), True


async def check_dependencies(session: AsyncSession, after: Sequence[Dependency]) -> dict[str, JobState]:
    """How the jobs stand that are to be waited for; held until the commit, so that none of them is exported meanwhile.

    Raises:
        UnknownJobs: some are not there.
    """
    if not after:
        return {}
    named = [dependency.job for dependency in after]
    found = await session.execute(
        select(col(JobRow.id), col(JobRow.state))
        .where(col(JobRow.id).in_(named))
        .order_by(JobRow.id)
        .with_for_update(key_share=True, read=True)
    )
    states = {job: JobState(state) for job, state in found.all()}
    if missing := [job for job in named if job not in states]:
        raise UnknownJobs(missing)
    return states


def _as_job(new: NewJob, job: str, created_at: datetime) -> Job:
    return Job(
        id=job,
        experiment=new.experiment,
        archive=new.archive,
        entry_point=new.entry_point,
        parameters=new.parameters,
        queue=new.queue,
        state=JobState.queued,
        attempt=0,
        max_attempts=new.max_attempts,
        timeout=new.timeout,
        queue_timeout=new.queue_timeout,
        progress_timeout=new.progress_timeout,
        retry_on=list(new.retry_on),
        priority=new.priority,
        plugins=new.plugins,
        parent=new.parent,
        description=new.description,
        tags=list(new.tags),
        created_at=created_at,
        seq=0,
    )


def _write(new: NewJob, experiment_id: str) -> ReturningInsert[str, datetime]:
    """The row and its event in one statement; it writes neither when the idempotency key is known."""
    row = _insert(new, experiment_id).returning(col(JobRow.id), col(JobRow.created_at)).cte("row")
    kind, attempt = literal(EventKind.state.value), literal(0)
    data = literal({"state": new.state.value}, JSONB)
    return (
        insert(EventRow)
        .from_select(
            ["job_id", "seq", "at", "kind", "attempt", "data"],
            select(row.c.id, literal(0), row.c.created_at, kind, attempt, data),
        )
        .returning(col(EventRow.job_id), col(EventRow.at))
    )


def _insert(new: NewJob, experiment_id: str) -> Insert:
    return (
        upsert(JobRow)
        .values(id=new_id(), **columns_of(new, experiment_id), **_place(new))
        .on_conflict_do_nothing(index_elements=[col(JobRow.idempotency_key)])
    )


def columns_of(new: NewJob, experiment_id: str) -> dict[str, Any]:
    """What is written of a new job, but its id and its place."""
    return {
        "experiment_id": experiment_id,
        "archive": new.archive,
        "entry_point": new.entry_point,
        "parameters": new.parameters,
        "command": new.command,
        "queue": new.queue,
        "timeout": new.timeout,
        "queue_timeout": new.queue_timeout,
        "progress_timeout": new.progress_timeout,
        "max_attempts": new.max_attempts,
        "retry_on": [failure.value for failure in new.retry_on],
        "priority": new.priority,
        "after": [dependency.model_dump(mode="json") for dependency in new.after],
        "start_at": new.start_at,
        "plugins": [pin.model_dump(mode="json") for pin in new.plugins],
        "inputs": new.inputs,
        "parent_id": new.parent,
        "description": new.description,
        "tags": list(new.tags),
        "idempotency_key": new.idempotency_key,
        "request_digest": new.request_digest,
        "attempt": 0,
        "epoch": 0,
        "seq": 0,
        "reported": 0,
        "digest": new.digest,
    }


def _place(new: NewJob) -> dict[str, Any]:
    if new.state is JobState.waiting:
        return {"state": JobState.waiting.value}
    return {
        "state": JobState.queued.value,
        "dispatch_at": func.now(),
        "ready_at": func.now(),
        "turn_at": func.now() - seconds(head_start(new.priority)),
        "queued_until": None if new.queue_timeout is None else func.now() + seconds(new.queue_timeout),
    }
