"""Claim: the only way a job starts. Whoever else was told of the same job comes too late and is told so."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.lifecycle import Call, Outcome
from tiltyard_orchestrator.storage.moves import move, seconds
from tiltyard_orchestrator.storage.tables import ArchiveRow, ExperimentRow, JobRow, QueueRow


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Everything an attempt needs, but its token and the lease's clock, which the gateway knows."""

    job: str
    epoch: int
    attempt: int
    max_attempts: int
    experiment: str
    mlflow_experiment_id: str | None
    archive: str
    archive_size: int
    project: str
    entry_point: EntryPoint
    parameters: dict[str, Any]
    command: str
    queue: str
    timeout: float | None


@dataclass(frozen=True, kw_only=True)
class NotClaimable:
    """The job is not there to be taken: it ended, runs already, waits, or its queue is paused."""

    why: str


async def claim(
    session: AsyncSession, *, job: str, worker: str, queue: str, token_sha256: str, lease_seconds: float
) -> Claimed | NotClaimable:
    """Start the next attempt of a queued job for a worker of its queue."""
    found = await session.scalars(
        select(JobRow)
        .join(QueueRow, col(QueueRow.name) == col(JobRow.queue))
        .where(col(JobRow.id) == job, col(JobRow.state) == JobState.queued, col(JobRow.queue) == queue)
        .where(col(QueueRow.paused).is_(False))
        .with_for_update(of=JobRow)
    )
    row = found.one_or_none()
    if row is None:
        return NotClaimable(why=await _why_not(session, job, queue))
    await move(
        session,
        row,
        Call.claim,
        Outcome(state=JobState.running),
        data={"worker": worker},
        attempt=row.attempt + 1,
        reported=0,
        cancel_requested=False,
        token_sha256=token_sha256,
        worker_id=worker,
        started_at=func.now(),
        lease_until=func.now() + seconds(lease_seconds),
    )
    return await _specification(session, row)


async def _specification(session: AsyncSession, row: JobRow) -> Claimed:
    experiment = await session.get_one(ExperimentRow, row.experiment_id)
    archive = await session.get_one(ArchiveRow, row.archive)
    entry_point = next(entry for entry in archive.entry_points if entry["name"] == row.entry_point)
    return Claimed(
        job=row.id,
        epoch=row.epoch,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        experiment=experiment.name,
        mlflow_experiment_id=experiment.mlflow_experiment_id,
        archive=row.archive,
        archive_size=archive.size,
        project=archive.project,
        entry_point=EntryPoint.model_validate(entry_point),
        parameters=row.parameters,
        command=row.command,
        queue=row.queue,
        timeout=row.timeout,
    )


async def _why_not(session: AsyncSession, job: str, queue: str) -> str:
    row = await session.get(JobRow, job)
    if row is None:
        return "there is no such job"
    if row.queue != queue:
        return f"it is for the queue {row.queue}, not {queue}"
    if row.state != JobState.queued:
        return f"it is {row.state}"
    return f"the queue {queue} is paused"
