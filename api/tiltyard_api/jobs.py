"""Jobs: written once when they are submitted, listed by keyset, waited for, cancelled."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from tiltyard.wire import Job, JobState, JobSubmission, Page, Validation
from tiltyard_api.auth import User
from tiltyard_api.paging import Cursor, Limit, Moment, Name
from tiltyard_api.parts import Here, Parts
from tiltyard_api.problems import Refused, not_found, responses
from tiltyard_api.stream import ring_or_drain
from tiltyard_api.submissions import checked, digest_of, new_job
from tiltyard_orchestrator.storage.cancel import cancel
from tiltyard_orchestrator.storage.jobs import Ambiguous, JobFilter, find_job, list_jobs
from tiltyard_orchestrator.storage.queues import get_queue
from tiltyard_orchestrator.storage.submit import KeyReused, submit, submitted_before

routes = APIRouter(tags=["jobs"])

Key = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end before answering.")]
JobId = Annotated[str, Path(max_length=200, description="A job's id, or the beginning of no other's.")]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Job, "description": "The idempotency key was used for this before"}
}


@routes.post("/jobs", operation_id="submit_job", status_code=201, responses={**CREATED, **responses()})
async def submit_job(
    asked: JobSubmission, response: Response, here: Here, _user: User, key: Key = None
) -> Job:
    """Submit a job. Accepted means written: it will reach a final state, whatever is killed.

    The same `Idempotency-Key` with the same body gives the same job again; with another body it is refused.
    """
    digest = digest_of(asked)
    async with here.database.transaction() as session:
        before = await submitted_before(session, key, digest) if key else None
        if before is None:
            accepted = await checked(session, here.catalogue, asked)
            made = await submit(session, new_job(asked, accepted, key, digest))
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
        accepted = await checked(session, here.catalogue, asked)
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
    experiment: Name = None,
    queue: Name = None,
    tag: Name = None,
    created_after: Moment = None,
    created_before: Moment = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Job]:
    """List jobs, newest first."""
    wanted = JobFilter(
        states=state or (),
        experiment=experiment,
        queue=queue,
        tag=tag,
        created_after=created_after,
        created_before=created_before,
    )
    async with here.database.transaction() as session:
        return await list_jobs(session, wanted, cursor=cursor, limit=limit)


@routes.get(
    "/jobs/{job}",
    operation_id="get_job",
    response_model=Job,
    responses={304: {"description": "Not Modified"}, **responses(404, 409)},
)
async def get_one_job(
    job: JobId,
    here: Here,
    _user: User,
    response: Response,
    wait: Wait = 0,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> Any:
    """One job, by its id or an unambiguous beginning of it. With `wait`, the answer comes when it has ended."""
    found = await _waited_for(here, await known_job(here, job), wait)
    response.headers["ETag"] = tag = f'"{found.seq}"'
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return found


async def _waited_for(here: Parts, found: Job, wait: float) -> Job:
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    with here.hints.subscribe(found.id) as bell:
        while not found.state.final and (left := deadline - clock()) > 0 and not here.draining.is_set():
            await ring_or_drain(here, bell.wait(min(left, here.pace.poll)))
            found = await known_job(here, found.id)
    return found


@routes.post("/jobs/{job}/cancel", operation_id="cancel_job", responses=responses(404, 409))
async def cancel_job(job: JobId, here: Here, _user: User) -> Job:
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
    async with here.database.transaction() as session:
        found = await find_job(session, job)
    if isinstance(found, Ambiguous):
        detail = f"several jobs begin with {job}: {', '.join(found.candidates)}"
        raise Refused(409, "ambiguous_id", detail)
    if found is None:
        raise not_found("job", job)
    return found
