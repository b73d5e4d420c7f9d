"""Pending: what the jobs wait for that have not started. Read when somebody asks; no state of it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.explanations import Pending, Waits
from tiltyard.wire.jobs import Condition, Dependency, Job, JobState
from tiltyard.wire.workers import WorkerOrder, WorkerState
from tiltyard_orchestrator.domain.dependencies import satisfied
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import JobRow, QueueRow, SweepRow, WorkerRow

MOST_NAMED = 10
"""Of the jobs that are waited for, so many are named."""


@dataclass(frozen=True, kw_only=True)
class QueueStanding:
    """What of a queue decides whether its jobs start."""

    paused: bool
    workers: int
    """Those that were heard of lately and take jobs."""
    draining: str | None = None
    """One that would, if it were told to rejoin."""


async def queue_standings(session: AsyncSession, *, lost_after: float) -> dict[str, QueueStanding]:
    """Every queue, by name."""
    here = and_(
        col(WorkerRow.queue) == col(QueueRow.name),
        col(WorkerRow.last_seen) > func.now() - seconds(lost_after),
        col(WorkerRow.state) != WorkerState.stopped.value,
    )
    takes = and_(col(WorkerRow.told).is_(None), col(WorkerRow.state) != WorkerState.draining.value)
    serving = select(func.count()).select_from(WorkerRow).where(here, takes).scalar_subquery()
    drains = col(WorkerRow.told) == WorkerOrder.drain.value
    draining = select(func.min(WorkerRow.id)).where(here, drains).scalar_subquery()
    found = await session.execute(select(col(QueueRow.name), col(QueueRow.paused), serving, draining))
    return {
        name: QueueStanding(paused=paused, workers=workers, draining=worker)
        for name, paused, workers, worker in found.all()
    }


async def pending_of(
    session: AsyncSession, job: Job, queues: dict[str, QueueStanding], *, now: datetime
) -> list[Pending]:
    """What one job waits for, the most telling first; nothing when it has started or ended."""
    if job.state is JobState.waiting:
        return [*await _dependencies(session, job), *_start(job, now)]
    if job.state is not JobState.queued:
        return []
    ready_at, position = await _turn(session, job)
    found = [*await _held(session, job), *of_queue(job.queue, queues)]
    if ready_at > now:
        detail = (
            f"attempt {job.attempt + 1} of {job.max_attempts} may start at {ready_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        found.append(Pending(code=Waits.retry, detail=detail, until=ready_at))
    elif not found:
        ahead = (
            f"{position - 1} job{'s' * (position != 2)} of its queue go before it"
            if position > 1
            else "it is next"
        )
        found.append(
            Pending(code=Waits.turn, detail=f"it waits for a free worker; {ahead}", position=position)
        )
    return found


def of_queue(name: str, queues: dict[str, QueueStanding]) -> list[Pending]:
    """What keeps every job of a queue from starting."""
    queue = queues.get(name)
    found = []
    if queue is not None and queue.paused:
        detail = f"the queue {name} is paused: `tiltyard queue resume {name}` lets its jobs start"
        found.append(Pending(code=Waits.paused, detail=detail))
    if queue is not None and not queue.workers and queue.draining:
        detail = f"the workers of the queue {name} are told to drain: `tiltyard worker rejoin {queue.draining}` lets one go on"
        found.append(Pending(code=Waits.no_worker, detail=detail))
    elif queue is not None and not queue.workers:
        detail = f"no worker serves the queue {name} now: `tiltyard worker --queue {name}` starts one"
        found.append(Pending(code=Waits.no_worker, detail=detail))
    return found


def as_sentence(pending: Sequence[Pending]) -> str | None:
    """All of it in one line."""
    return "; ".join(one.detail for one in pending) or None


async def _dependencies(session: AsyncSession, job: Job) -> list[Pending]:
    named = {one.job: one for one in job.after}
    if not named:
        return []
    found = await session.execute(select(col(JobRow.id), col(JobRow.state)).where(col(JobRow.id).in_(named)))
    states = {other: JobState(state) for other, state in found.all()}
    open_ = [
        one for one in job.after if one.job in states and satisfied(one.condition, states[one.job]) is None
    ]
    if not open_:
        return []
    return [
        Pending(
            code=Waits.dependency,
            detail=_waits_for(open_, states),
            jobs=[one.job for one in open_[:MOST_NAMED]],
        )
    ]


def _waits_for(open_: Sequence[Dependency], states: dict[str, JobState]) -> str:
    said = [
        f"job {one.job} ({states[one.job].value}) to "
        + {Condition.succeeded: "succeed", Condition.failed: "fail", Condition.any: "end"}[one.condition]
        for one in open_[:3]
    ]
    more = f" and {len(open_) - 3} more" if len(open_) > 3 else ""
    return f"it waits for {', '.join(said)}{more}"


async def _held(session: AsyncSession, job: Job) -> list[Pending]:
    sweep = await session.get(SweepRow, job.sweep) if job.held else None
    if sweep is None:
        return []
    short = sweep.id[:8]
    if sweep.paused:
        detail = f"its sweep {short} is paused: `tiltyard sweep resume {short}` lets its jobs start"
    elif sweep.max_parallel is not None:
        detail = f"its sweep {short} has no more than {sweep.max_parallel} of its jobs under way at a time"
    else:
        detail = f"its sweep {short} is about to let it go"
    return [Pending(code=Waits.sweep, detail=detail)]


def _start(job: Job, now: datetime) -> list[Pending]:
    if job.start_at is None or job.start_at <= now:
        return []
    detail = f"it is not to start before {job.start_at:%Y-%m-%d %H:%M:%S} UTC"
    return [Pending(code=Waits.start_at, detail=detail, until=job.start_at)]


async def _turn(session: AsyncSession, job: Job) -> tuple[datetime, int]:
    ready_at, turn_at = (
        await session.execute(
            select(col(JobRow.ready_at), col(JobRow.turn_at)).where(col(JobRow.id) == job.id)
        )
    ).one()
    if ready_at is None:  # it has just been taken
        return job.created_at, 1
    before = (
        select(func.count())
        .select_from(JobRow)
        .where(col(JobRow.queue) == job.queue, col(JobRow.state) == JobState.queued, ~col(JobRow.held))
        .where(col(JobRow.ready_at) <= func.now())
        .where(tuple_(col(JobRow.turn_at), col(JobRow.id)) < (turn_at, job.id))
    )
    return ready_at, int((await session.execute(before)).scalar_one()) + 1
