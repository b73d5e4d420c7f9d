"""Submit: the job row and its event 0 in one transaction. The row is due at once; nothing is published here."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
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
    inserted = await session.scalar(_insert(new, experiment_id))
    if inserted is None:
        assert new.idempotency_key is not None, "only an idempotency key can conflict"
        before = await submitted_before(session, new.idempotency_key, new.request_digest or "")
        assert before is not None, "the key that conflicted is committed"
        return before if isinstance(before, KeyReused) else (before, False)
    await session.execute(
        insert(EventRow).values(
            job_id=inserted,
            seq=0,
            kind=EventKind.state.value,
            attempt=0,
            data={"state": JobState.queued.value},
        )
    )
    job = await get_job(session, inserted)
    assert job is not None, "it was written above"
    return job, True


def _insert(new: NewJob, experiment_id: str) -> Any:
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
        .returning(col(JobRow.id))
    )
