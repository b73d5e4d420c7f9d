"""Submit: the job row and its event 0 in one transaction. The row is due at once; nothing is published here."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB, Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import Job, JobState
from tiltyard_orchestrator.storage.experiments import ensure_experiment
from tiltyard_orchestrator.storage.jobs import find_by_key, get_job
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
    description: str = ""
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    request_digest: str | None = None
    """The SHA-256 of the request's body: what the idempotency key stands for."""


@dataclass(frozen=True, kw_only=True)
class KeyReused:
    """The idempotency key was used before, for another request."""

    job: str


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
    """Write a job, queued and due now.

    Returns:
        The job, and whether it is new: the same key with the same request gives the job that is there.
    """
    experiment_id = await ensure_experiment(session, new.experiment)
    written = (await session.execute(_write(new, experiment_id))).one_or_none()
    if written is None:
        assert new.idempotency_key is not None, "only an idempotency key can conflict"
        before = await submitted_before(session, new.idempotency_key, new.request_digest or "")
        assert before is not None, "the key that conflicted is committed"
        return before if isinstance(before, KeyReused) else (before, False)
    job, created_at = written
    return _as_job(new, job, created_at), True


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
        description=new.description,
        tags=list(new.tags),
        created_at=created_at,
        seq=0,
    )


def _write(new: NewJob, experiment_id: str) -> ReturningInsert[str, datetime]:
    """The row and its event in one statement; it writes neither when the idempotency key is known."""
    row = _insert(new, experiment_id).returning(col(JobRow.id), col(JobRow.created_at)).cte("row")
    kind, attempt = literal(EventKind.state.value), literal(0)
    data = literal({"state": JobState.queued.value}, JSONB)
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
        .values(
            id=new_id(),
            experiment_id=experiment_id,
            archive=new.archive,
            entry_point=new.entry_point,
            parameters=new.parameters,
            command=new.command,
            queue=new.queue,
            timeout=new.timeout,
            max_attempts=new.max_attempts,
            description=new.description,
            tags=list(new.tags),
            idempotency_key=new.idempotency_key,
            request_digest=new.request_digest,
            state=JobState.queued.value,
            attempt=0,
            epoch=0,
            seq=0,
            reported=0,
            dispatch_at=func.now(),
        )
        .on_conflict_do_nothing(index_elements=[col(JobRow.idempotency_key)])
    )
