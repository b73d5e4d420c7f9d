"""Jobs: checked as a whole when they are submitted, written once, listed by keyset, waited for, cancelled."""

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Job, JobState, JobSubmission, Page, Validation
from tiltyard_api.auth import User
from tiltyard_api.parts import Here, Parts
from tiltyard_api.problems import Refused, invalid, not_found, responses
from tiltyard_orchestrator.domain.submission import Accepted, check
from tiltyard_orchestrator.storage.archives import get_archive
from tiltyard_orchestrator.storage.cancel import cancel
from tiltyard_orchestrator.storage.jobs import Ambiguous, JobFilter, find_job, list_jobs
from tiltyard_orchestrator.storage.queues import get_queue, queue_names
from tiltyard_orchestrator.storage.submit import KeyReused, NewJob, submit, submitted_before

routes = APIRouter(tags=["jobs"])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for news before answering.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str | None, Query(max_length=300, pattern=r"^[^\x00]*$")]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Job, "description": "The idempotency key was used for this before"}
}


@routes.post("/jobs", operation_id="submit_job", status_code=201, responses={**CREATED, **responses()})
async def submit_job(
    asked: JobSubmission, request: Request, response: Response, here: Here, _user: User, key: Key = None
) -> Job:
    """Submit a job. Accepted means written: it will reach a final state, whatever is killed.

    The same `Idempotency-Key` with the same body gives the same job again; with another body it is refused.
    """
    digest = hashlib.sha256(await request.body()).hexdigest()
    async with here.database.transaction() as session:
        before = await submitted_before(session, key, digest) if key else None
        if before is None:
            accepted = await _checked(session, asked)
            made = await submit(session, _new_job(asked, accepted, key, digest))
        else:
            made = before if isinstance(before, KeyReused) else (before, False)
    if isinstance(made, KeyReused):
        detail = f"this key stands for another request, which made job {made.job}; use a new key"
        raise Refused(422, "idempotency_key_reused", detail)
    job, new = made
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    if new:
        here.changed(job.id, due=True)
    return job


@routes.post("/jobs:validate", operation_id="validate_job", responses=responses())
async def validate_job(asked: JobSubmission, here: Here, _user: User) -> Validation:
    """Check a submission as submitting would, and say what would run."""
    async with here.database.transaction() as session:
        accepted = await _checked(session, asked)
        queue = await get_queue(session, asked.queue, lost_after=here.settings.worker_lost_after)
    warnings = []
    if queue is not None and queue.paused:
        warnings.append(f"the queue {queue.name} is paused: the job will wait until it is resumed")
    if queue is not None and not queue.workers:
        warnings.append(f"no worker serves the queue {queue.name} now: the job will wait for one")
    return Validation(
        entry_point=accepted.entry_point.name,
        command=accepted.command,
        parameters=accepted.values,
        queue=asked.queue,
        timeout=accepted.timeout,
        warnings=warnings,
    )


@routes.get("/jobs", operation_id="list_jobs", responses=responses())
async def list_some_jobs(
    here: Here,
    _user: User,
    state: Annotated[list[JobState] | None, Query()] = None,
    experiment: Text = None,
    queue: Text = None,
    tag: Text = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    cursor: Text = None,
    limit: Limit = 100,
) -> Page[Job]:
    """List jobs, newest first."""
    wanted = JobFilter(
        states=state or (),
        experiment=experiment,
        queue=queue,
        tag=tag,
        created_after=_aware(created_after),
        created_before=_aware(created_before),
    )
    async with here.database.transaction() as session:
        return await list_jobs(session, wanted, cursor=cursor, limit=limit)


@routes.get("/jobs/{job}", operation_id="get_job", responses=responses(404, 409))
async def get_one_job(job: str, here: Here, _user: User, response: Response, wait: Wait = 0) -> Job:
    """One job, by its id or an unambiguous beginning of it. With `wait`, the answer comes when it has ended."""
    found = await known_job(here, job)
    deadline = asyncio.get_running_loop().time() + wait
    with here.hints.subscribe(found.id) as bell:
        while not found.state.final and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await bell.wait(min(left, 5))
            found = await known_job(here, found.id)
    response.headers["ETag"] = f'"{found.seq}"'
    return found


@routes.post("/jobs/{job}/cancel", operation_id="cancel_job", responses=responses(404, 409))
async def cancel_job(job: str, here: Here, _user: User) -> Job:
    """Ask for a job's end. One that waits ends at once, one that runs is told within seconds; twice is once."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        cancelled = await cancel(session, found.id)
    if cancelled is None:
        raise not_found("job", job)
    here.changed(found.id)
    return cancelled


async def known_job(here: Parts, job: str) -> Job:
    """A job by its id or the beginning of one.

    Raises:
        Refused: there is none, or several begin so.
    """
    if "\0" in job:
        raise not_found("job", job)
    async with here.database.transaction() as session:
        found = await find_job(session, job)
    if isinstance(found, Ambiguous):
        detail = f"several jobs begin with {job}: {', '.join(found.candidates)}"
        raise Refused(409, "ambiguous_id", detail)
    if found is None:
        raise not_found("job", job)
    return found


async def _checked(session: AsyncSession, asked: JobSubmission) -> Accepted:
    archive = await get_archive(session, asked.archive)
    accepted = check(asked, archive, await queue_names(session))
    if isinstance(accepted, list):
        raise invalid(accepted)
    return accepted


def _new_job(asked: JobSubmission, accepted: Accepted, key: str | None, digest: str) -> NewJob:
    return NewJob(
        experiment=asked.experiment,
        archive=asked.archive,
        entry_point=accepted.entry_point.name,
        parameters=accepted.values,
        command=accepted.command,
        queue=asked.queue,
        timeout=accepted.timeout,
        max_attempts=asked.max_attempts,
        description=asked.description,
        tags=tuple(asked.tags),
        idempotency_key=key,
        request_digest=digest if key else None,
    )


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise Refused(422, "invalid_request", "a time needs its offset, such as 2026-01-31T12:00:00Z")
    return moment
