"""Jobs: written once when they are submitted, listed by keyset, waited for, explained, cancelled, submitted again."""

import asyncio
from typing import Annotated, Any
from zlib import crc32

from fastapi import APIRouter, Header, Path, Query, Response

from tiltyard.wire import (
    CancelledMany,
    CancelMany,
    Explanation,
    Job,
    JobChanges,
    JobState,
    JobSubmission,
    Page,
    ProblemItem,
    Reason,
    Validation,
)
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, Moment, Name
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.jobs.named_models import models_of
from tiltyard_api.jobs.pending import explain, with_brief_reason, with_reason
from tiltyard_api.jobs.submissions import checked, made_from
from tiltyard_api.jobs.submitting import submitted
from tiltyard_api.parts import Here, Parts
from tiltyard_api.stream.follow import ring_or_drain
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.cancel_many import cancel_some, count_alive
from tiltyard_orchestrator.storage.jobs.exports import get_exported
from tiltyard_orchestrator.storage.jobs.pending import of_queue
from tiltyard_orchestrator.storage.jobs.read import Ambiguous, JobFilter, find_job, list_jobs

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
    return await submitted(here, asked, key=key, response=response)


@routes.post("/jobs:validate", operation_id="validate_job", responses=responses())
async def validate_job(asked: JobSubmission, here: Here, _user: User) -> Validation:
    """Check a submission as submitting would, and say what would run."""
    models = await models_of(here, asked)
    async with here.database.transaction() as session:
        found = await checked(session, here, asked, models=models)
        queues = await here.catalogue.standings(session, lost_after=here.settings.worker_lost_after)
    accepted = found.accepted
    return Validation(
        entry_point=accepted.entry_point.name,
        command=accepted.command,
        parameters=accepted.values,
        queue=asked.queue,
        timeout=accepted.timeout,
        plugins=found.pins,
        warnings=[*found.warnings, *(one.detail for one in of_queue(asked.queue, queues))],
    )


@routes.get("/jobs", operation_id="list_jobs", responses=responses())
async def list_some_jobs(
    here: Here,
    _user: User,
    state: Annotated[list[JobState] | None, Query()] = None,
    experiment: Name = None,
    sweep: Name = None,
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
        sweep=sweep,
        queue=queue,
        tag=tag,
        created_after=created_after,
        created_before=created_before,
    )
    async with here.database.transaction() as session:
        page = await list_jobs(session, wanted, cursor=cursor, limit=limit)
        return Page(items=[await with_brief_reason(session, here, job) for job in page.items], next=page.next)


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
    response.headers["ETag"] = tag = _tag(found)
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return found


def _tag(job: Job) -> str:
    # What a job waits for changes without an event of its own.
    waits = f"-{crc32(job.pending_reason.encode()):x}" if job.pending_reason else ""
    return f'"{job.seq}{waits}"'


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
    here.changed(found.id, state=cancelled.state)
    return cancelled


@routes.post("/jobs:cancel", operation_id="cancel_jobs", responses=responses())
async def cancel_many_jobs(asked: CancelMany, here: Here, _user: User) -> CancelledMany:
    """Ask for the end of every job that fits; with `dry_run`, count them."""
    given = asked.model_dump(exclude={"everything", "dry_run"}, exclude_none=True)
    if not asked.everything and not any(given.values()):
        detail = "name what is meant (states, experiment, queue, tag, …), or say `everything`"
        raise invalid([ProblemItem(pointer="", code="everything", detail=detail)], "invalid_request")
    wanted = JobFilter(**given)
    async with here.database.transaction() as session:
        matched = await count_alive(session, wanted)
    if asked.dry_run:
        return CancelledMany(matched=matched, cancelled=0, asked=0)
    return await _cancel_all(here, wanted)


async def _cancel_all(here: Parts, wanted: JobFilter) -> CancelledMany:
    met, asked, last = 0, 0, ""
    while True:
        async with here.database.transaction() as session:
            jobs, running = await cancel_some(session, wanted, after=last)
        for job in jobs:
            here.changed(job, state=JobState.running if job in running else JobState.cancelled)
        if not jobs:
            return CancelledMany(matched=met, cancelled=met - asked, asked=asked)
        met, asked, last = met + len(jobs), asked + len(running), jobs[-1]


@routes.post(
    "/jobs/{job}/retry",
    operation_id="retry_job",
    status_code=201,
    responses={**CREATED, **responses(404, 409)},
)
async def retry_job(job: JobId, response: Response, here: Here, _user: User, key: Key = None) -> Job:
    """Submit a job that failed or was cancelled once more, as a new job that names it as its parent."""
    parent = await known_job(here, job)
    if parent.state is JobState.succeeded or not parent.state.final:
        why = (
            "succeeded: clone it to run it again"
            if parent.state.final
            else f"is {parent.state}: it has not ended"
        )
        raise Refused(409, "not_failed", f"job {parent.id} {why}")
    if parent.reason is Reason.dependency:
        detail = f"job {parent.id} never ran, because of a job that it waited for: clone it, and say what to run after"
        raise Refused(409, "dependency_failed", detail)
    again = made_from(parent, JobChanges())
    return await submitted(here, again, key=key, response=response, parent=parent.id, keeping=parent.plugins)


@routes.post(
    "/jobs/{job}/clone",
    operation_id="clone_job",
    status_code=201,
    responses={**CREATED, **responses(404, 409)},
)
async def clone_job(
    job: JobId, changes: JobChanges, response: Response, here: Here, _user: User, key: Key = None
) -> Job:
    """Submit a job like another one but for what is given, as a new job that names it as its parent."""
    parent = await known_job(here, job)
    if changes.same_plugins and changes.plugins:
        detail = "`same_plugins` takes the parent's versions: name no others beside it"
        raise invalid(
            [ProblemItem(pointer="/plugins", code="same_plugins", detail=detail)], "invalid_request"
        )
    return await submitted(
        here,
        made_from(parent, changes),
        key=key,
        response=response,
        parent=parent.id,
        keeping=parent.plugins if changes.same_plugins else None,
    )


@routes.get("/jobs/{job}/why", operation_id="explain_job", responses=responses(404, 409))
async def explain_job(job: JobId, here: Here, _user: User) -> Explanation:
    """Why a job is where it is: what it waits for, and how each of its attempts ended."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        return await explain(session, here, found)


async def known_job(here: Parts, job: str) -> Job:
    """A job by its id or the beginning of one.

    Raises:
        Refused: there is none, several begin so, or it was exported.
    """
    async with here.database.transaction() as session:
        found = await find_job(session, job)
        if isinstance(found, Job):
            return await with_reason(session, here, found)
        exported = await get_exported(session, job) if found is None else None
    if exported is not None:
        detail = (
            f"job {exported.id} {exported.state.value} on {exported.finished_at:%Y-%m-%d} and was exported: "
            f"`tiltyard history show {exported.id}`, or GET /api/v1/history/{exported.id}/record, has it with its events"
        )
        raise Refused(410, "exported", detail)
    if isinstance(found, Ambiguous):
        detail = f"several jobs begin with {job}: {', '.join(found.candidates)}"
        raise Refused(409, "ambiguous_id", detail)
    raise not_found("job", job)
