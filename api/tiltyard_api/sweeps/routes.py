"""Sweeps: many jobs as one thing, expanded when they are submitted, and steered together."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from tiltyard.wire import (
    Cell,
    JobState,
    Page,
    Sweep,
    SweepChanges,
    SweepPlan,
    SweepRetried,
    SweepRetry,
    SweepSubmission,
)
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, Name
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.stream.follow import ring_or_drain
from tiltyard_api.sweeps import submitting as sweep_submitting
from tiltyard_api.sweeps.retrying import retried
from tiltyard_orchestrator.storage.jobs.read import Ambiguous
from tiltyard_orchestrator.storage.sweeps import steer as steer_sweep
from tiltyard_orchestrator.storage.sweeps.read import (
    NamedSweep,
    find_sweep,
    get_sweep,
    list_cells,
    list_sweeps,
)

routes = APIRouter(tags=["sweeps"])

Key = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]
SweepId = Annotated[str, Path(max_length=200, description="A sweep's id, or the beginning of no other's.")]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end before answering.")]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Sweep, "description": "The idempotency key was used for this before"}
}
AT_A_TIME = 1_000
"""Jobs that are cancelled in one transaction."""
BREATH_SECONDS = 0.5
"""Between two counts of a sweep's cells for one who waits."""


@routes.post("/sweeps", operation_id="submit_sweep", status_code=201, responses={**CREATED, **responses()})
async def submit_sweep(
    asked: SweepSubmission, response: Response, here: Here, _user: User, key: Key = None
) -> Sweep:
    """Submit many jobs at once: one for each choice of values of the axes, but for those that are known already.

    A cell is known when a job of the same experiment has the same archive, entry point, parameters, inputs and plugin
    versions, and has succeeded or not ended: it is linked, and not run again. Everything that is wrong is told in one answer,
    and then nothing of the sweep is there.
    """
    return await sweep_submitting.submitted(here, asked, key=key, response=response)


@routes.post("/sweeps:validate", operation_id="validate_sweep", responses=responses())
async def validate_sweep(asked: SweepSubmission, here: Here, _user: User) -> SweepPlan:
    """Check a sweep as its submission would, and tell how many cells it has and how many are known. Nothing is made."""
    return await sweep_submitting.foreseen(here, asked)


@routes.get("/sweeps", operation_id="list_sweeps", responses=responses())
async def list_some_sweeps(
    here: Here, _user: User, experiment: Name = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Sweep]:
    """List sweeps, newest first."""
    async with here.database.transaction() as session:
        return await list_sweeps(session, experiment=experiment, cursor=cursor, limit=limit)


@routes.get("/sweeps/{sweep}", operation_id="get_sweep", responses=responses(404, 409))
async def get_one_sweep(sweep: SweepId, here: Here, _user: User, wait: Wait = 0) -> Sweep:
    """One sweep, by its id or an unambiguous beginning of it. With `wait`, the answer comes when all its cells have ended."""
    found = await known_sweep(here, sweep)
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    with here.hints.subscribe() as bell:
        while not found.state.final and (left := deadline - clock()) > 0 and not here.draining.is_set():
            await ring_or_drain(here, bell.wait(min(left, here.pace.poll)))
            await ring_or_drain(here, asyncio.sleep(min(BREATH_SECONDS, max(0, deadline - clock()))))
            found = await known_sweep(here, found.id)
    return found


@routes.patch("/sweeps/{sweep}", operation_id="update_sweep", responses=responses(404, 409))
async def update_sweep(sweep: SweepId, changes: SweepChanges, here: Here, _user: User) -> Sweep:
    """Change how many of its jobs may go at a time, or its description. What runs goes on."""
    given = changes.model_dump(exclude_unset=True)
    if given.get("description", "") is None:
        del given["description"]
    found = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        await steer_sweep.change_sweep(session, found.id, given)
    here.keeper.wake()
    return await known_sweep(here, found.id)


@routes.get("/sweeps/{sweep}/cells", operation_id="list_sweep_cells", responses=responses(404, 409))
async def list_sweep_cells(
    sweep: SweepId,
    here: Here,
    _user: User,
    state: Annotated[list[JobState] | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Cell]:
    """List a sweep's cells in their order: the last axis moves fastest."""
    found = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        return await list_cells(session, found.id, states=state or (), cursor=cursor, limit=limit)


@routes.post("/sweeps/{sweep}/pause", operation_id="pause_sweep", responses=responses(404, 409))
async def pause_one_sweep(sweep: SweepId, here: Here, _user: User) -> Sweep:
    """Start no more of its jobs. What runs goes on; twice is once."""
    found = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        await steer_sweep.pause_sweep(session, found.id)
    return await known_sweep(here, found.id)


@routes.post("/sweeps/{sweep}/resume", operation_id="resume_sweep", responses=responses(404, 409))
async def resume_one_sweep(sweep: SweepId, here: Here, _user: User) -> Sweep:
    """Let its jobs start again."""
    found = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        await steer_sweep.resume_sweep(session, found.id)
    here.keeper.wake()
    return await known_sweep(here, found.id)


@routes.post("/sweeps/{sweep}/cancel", operation_id="cancel_sweep", responses=responses(404, 409))
async def cancel_one_sweep(sweep: SweepId, here: Here, _user: User) -> Sweep:
    """Ask for the end of every job that it made, but for those that a cell of another sweep is linked to."""
    found = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        await steer_sweep.note_cancelled(session, found.id)
    async with here.database.transaction() as session:
        jobs = await steer_sweep.jobs_to_cancel(session, found.id)
    for start in range(0, len(jobs), AT_A_TIME):
        async with here.database.transaction() as session:
            some = jobs[start : start + AT_A_TIME]
            met, running = await steer_sweep.cancel_cells(session, found.id, some)
        asked = set(running)
        for job in met:
            here.changed(job, state=JobState.running if job in asked else JobState.cancelled)
    return await known_sweep(here, found.id)


@routes.post("/sweeps/{sweep}/retry", operation_id="retry_sweep", responses=responses(404, 409))
async def retry_one_sweep(
    sweep: SweepId, here: Here, _user: User, asked: SweepRetry | None = None
) -> SweepRetried:
    """Run each cell once more whose job failed, as a new job that names that one as its parent.

    So is each that was cancelled because what it was to run after did not succeed, after the job by which that one is known by
    now: as `retry_job` makes it. Where there is none yet, it is passed over, and `unmet` names what it was to run after.
    """
    found = await known_sweep(here, sweep)
    made = await retried(here, found, asked or SweepRetry())
    for job in made.jobs[: sweep_submitting.MOST_TOLD]:
        here.changed(job, state=JobState.queued)
    return SweepRetried(
        sweep=await known_sweep(here, found.id),
        made=len(made.jobs),
        linked=made.linked,
        passed_over=made.passed_over,
        unmet=made.unmet,
    )


async def known_sweep(here: Parts, sweep: str) -> Sweep:
    """A sweep by its id or the beginning of one, with how its cells stand.

    Raises:
        Refused: there is none, or several begin so.
    """
    named = await named_sweep(here, sweep)
    async with here.database.transaction() as session:
        found = await get_sweep(session, named.id)
    if found is None:
        raise not_found("sweep", sweep)
    return found


async def named_sweep(here: Parts, sweep: str) -> NamedSweep:
    """Which sweep has this id, or one that begins so. Raises what `known_sweep` does."""
    async with here.database.transaction() as session:
        found = await find_sweep(session, sweep)
    if isinstance(found, Ambiguous):
        detail = f"several sweeps begin with {sweep}: {', '.join(found.candidates)}"
        raise Refused(409, "ambiguous_id", detail)
    if found is None:
        raise not_found("sweep", sweep)
    return found
