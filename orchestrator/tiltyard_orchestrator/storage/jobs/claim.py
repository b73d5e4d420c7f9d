"""Claim: the only way a job starts. A worker is given the job of its queue whose turn it is, whatever it was rung for.

A bell says that a queue has a job, and not which: so the order is decided here, when a worker is free, and never by the
order in which messages happened to be sent, lost or sent again.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.inputs import InputFile
from tiltyard.wire.jobs import JobState
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.domain.lifecycle import Call, Outcome
from tiltyard_orchestrator.storage.jobs.inputs import given_inputs, inputs_now
from tiltyard_orchestrator.storage.jobs.moves import move, seconds
from tiltyard_orchestrator.storage.tables import ArchiveRow, ExperimentRow, JobRow, QueueRow, WorkerRow


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Everything an attempt needs, but the lease's clock, which the gateway knows."""

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
    plugins: list[PluginPin]
    inputs: list[InputFile]
    queue: str
    timeout: float | None
    progress_timeout: float | None


@dataclass(frozen=True, kw_only=True)
class NothingToClaim:
    """No job of the queue is to be had now."""

    why: str
    locked: bool = False
    """Whether there is one, which somebody has locked at this moment: most likely to ring for it. Asking again helps."""


async def claim(
    session: AsyncSession, *, worker: str, queue: str, token_sha256: str, lease_seconds: float
) -> Claimed | NothingToClaim:
    """Start the next attempt of the job whose turn it is.

    A claim whose answer was lost is asked again with the same token: it gets the same job.
    """
    if held := await _held(session, worker=worker, token_sha256=token_sha256):
        return await _specification(session, held)
    told, environment = await _standing(session, worker)
    if told is not None:
        return NothingToClaim(why=f"worker {worker} is told to {told}")
    row = await _next(session, queue)
    if row is None:
        there = await session.scalar(_claimable(queue))
        return NothingToClaim(why=await _why_nothing(session, queue), locked=there is not None)
    try:
        await _start(session, row, worker, token_sha256, lease_seconds, environment)
    except IntegrityError as error:
        if "ix_job_token" not in str(error.orig):
            raise
        await session.rollback()
        return NothingToClaim(why="the same claim is being answered at this moment", locked=True)
    return await _specification(session, row)


async def _start(
    session: AsyncSession,
    row: JobRow,
    worker: str,
    token_sha256: str,
    lease_seconds: float,
    environment: str | None,
) -> None:
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
        environment=environment,
        inputs=await inputs_now(session, row),
    )


async def _standing(session: AsyncSession, worker: str) -> tuple[str | None, str | None]:
    """What a worker is told to do, and what its jobs run in; of one that has not said yet that it is there, nothing."""
    query = select(col(WorkerRow.told), col(WorkerRow.environment)).where(col(WorkerRow.id) == worker)
    found = (await session.execute(query)).one_or_none()
    return (None, None) if found is None else (found[0], found[1])


async def _held(session: AsyncSession, *, worker: str, token_sha256: str) -> JobRow | None:
    found = await session.scalars(
        select(JobRow).where(
            col(JobRow.token_sha256) == token_sha256,
            col(JobRow.state) == JobState.running,
            col(JobRow.worker_id) == worker,
        )
    )
    return found.one_or_none()


async def _next(session: AsyncSession, queue: str) -> JobRow | None:
    """Lock the first job that nobody else has locked, and wait for none.

    A claim may have locked rows that had moved when it came to them, so that one that waits for another row can be part of
    a deadlock. Nothing is lost by passing a row by: who has it locked starts it, ends it, or rings for it afterwards.
    """
    query = _claimable(queue).with_for_update(of=JobRow, key_share=True, skip_locked=True)
    return (await session.scalars(query)).one_or_none()


def _claimable(queue: str) -> Select[JobRow]:
    return (
        select(JobRow)
        .join(QueueRow, col(QueueRow.name) == col(JobRow.queue))
        .where(col(JobRow.queue) == queue, col(JobRow.state) == JobState.queued, ~col(JobRow.held))
        .where(col(JobRow.ready_at) <= func.now(), col(QueueRow.paused).is_(False))
        .order_by(col(JobRow.turn_at), col(JobRow.id))
        .limit(1)
    )


async def _specification(session: AsyncSession, row: JobRow) -> Claimed:
    experiment = await session.get_one(ExperimentRow, row.experiment_id)
    archive = await session.get_one(ArchiveRow, row.archive)
    entry_point = EntryPoint.model_validate(
        next(entry for entry in archive.entry_points if entry["name"] == row.entry_point)
    )
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
        entry_point=entry_point,
        parameters=row.parameters,
        command=row.command,
        plugins=[PluginPin.model_validate(pin) for pin in row.plugins],
        inputs=given_inputs(row.inputs),
        queue=row.queue,
        timeout=row.timeout,
        progress_timeout=row.progress_timeout,
    )


async def _why_nothing(session: AsyncSession, queue: str) -> str:
    row = await session.get(QueueRow, queue)
    if row is None:
        return f"there is no queue {queue}"
    return f"the queue {queue} is paused" if row.paused else f"no job waits in the queue {queue}"
