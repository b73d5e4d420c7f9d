"""The history of jobs: as a WebSocket, and as a long poll on the same URL."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, WebSocket

from tiltyard.wire import EventPage, ProblemItem, WireModel
from tiltyard_api.auth import User, unauthorized
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.jobs.routes import JobId, known_job
from tiltyard_api.parts import Here, Parts
from tiltyard_api.parts.reading import Followed, JobGone
from tiltyard_api.stream.follow import follow_job, follow_many, next_page
from tiltyard_api.stream.sockets import Close, converse, first_message, send_all
from tiltyard_api.sweeps.routes import named_sweep
from tiltyard_orchestrator.storage.access import tokens

routes = APIRouter(tags=["events"])

After = Annotated[
    int, Query(ge=-1, le=2**63 - 1, description="The `seq` of the last event you have; -1 for none.")
]


TICKET = "Of a WebSocket: from `POST /tickets`, in place of a header."


@dataclass(frozen=True, kw_only=True)
class ManyAsked:
    """Which jobs' events a WebSocket is to send. It reads them itself: here they are known, and told."""

    experiment: Annotated[str | None, Query(description="The jobs of this experiment.")] = None
    sweep: Annotated[str | None, Query(description="The jobs of this sweep.")] = None
    job: Annotated[list[str] | None, Query(description="These jobs.")] = None
    resume: Annotated[
        str | None, Query(description="With 1, the first message says what the client has.")
    ] = None
    ticket: Annotated[str | None, Query(description=TICKET)] = None


class Ticket(WireModel):
    """What opens one WebSocket, once, from a browser, which can send no header there."""

    ticket: str
    expires_in: float
    """Seconds."""


@routes.post("/tickets", operation_id="create_ticket", status_code=201, responses=responses())
async def create_ticket(here: Here, user: User) -> Ticket:
    """A ticket for `?ticket=` on a WebSocket URL, or on `/mlflow/enter`, which lets a browser in to MLflow's pages."""
    async with here.database.transaction() as session:
        ticket = await tokens.create_ticket(session, user)
    return Ticket(ticket=ticket, expires_in=tokens.TICKET_SECONDS)


@routes.get("/jobs/{job}/events", operation_id="list_job_events", responses=responses(404, 409))
async def list_job_events(
    job: JobId,
    here: Here,
    user: User,
    after: After = -1,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the next event.")] = 0,
    _ticket: Annotated[str | None, Query(alias="ticket", description=TICKET)] = None,
) -> EventPage:
    """The events of a job behind `after`, in order. With an Upgrade header this URL is a WebSocket instead.

    The WebSocket sends the same events as they come, one JSON frame each, then `{"kind": "end", ...}`, then closes
    with 1000. A socket that closed without it says nothing of the job: come back with the last `seq` you have.
    """
    found = await known_job(here, job)
    if after > found.seq:
        detail = f"the job's newest event is {found.seq}; nothing can follow {after} yet"
        raise invalid([ProblemItem(pointer="?after", code="after_the_end", detail=detail)], "after_the_end")
    try:
        page = await next_page(here, found.id, after, wait=wait)
    except JobGone:
        raise not_found("job", job) from None
    if not await here.guests.may_stay(user):  # who waited may have been shown out meanwhile
        raise unauthorized()
    return EventPage(events=page.events, end=page.end, seq=page.seq)


@routes.websocket("/jobs/{job}/events")
async def follow_job_events(socket: WebSocket, job: str, here: Here) -> None:
    """The same events as they come."""
    found, after = await _asked_for(here, socket, job)
    await socket.accept()
    await converse(here, socket, send_all(here, socket, follow_job(here, found, after)))


@routes.get("/events", operation_id="follow_events", status_code=426, responses=responses(426))
async def upgrade_events(_user: User, _asked: Annotated[ManyAsked, Depends()]) -> None:
    """Many jobs' events over one WebSocket: `?experiment=NAME`, `?sweep=ID` or `?job=ID&job=ID`, or every job.

    It ends when the jobs that are named have ended, or all jobs of the sweep; otherwise it goes on for jobs yet to come.
    With `?resume=1` the client's first message is `{"after": {job: seq, ...}}`, the `seq` that it has of each job.
    """
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    raise Refused(426, "upgrade_required", "this is a WebSocket: send an Upgrade header", headers=headers)


@routes.websocket("/events")
async def follow_many_events(socket: WebSocket, here: Here) -> None:
    """Many jobs' events as they come."""
    asked = socket.query_params
    jobs = set(asked.getlist("job")) or None
    await _check_known(here, jobs)
    of = Followed(experiment=asked.get("experiment"), sweep=await _sweep_of(here, asked.get("sweep")))
    await socket.accept()
    known: dict[str, int] = {}
    if asked.get("resume", "") not in {"", "0", "false"}:
        known = await first_message(here, socket)
    frames = follow_many(here, known, of, jobs=jobs)
    await converse(here, socket, send_all(here, socket, frames))


async def _check_known(here: Parts, jobs: Collection[str] | None) -> None:
    if jobs:
        unknown = set(jobs) - set(await here.reader.stand(Followed(), jobs=jobs))
        if unknown:
            raise Close(4404, f"there is no job {min(unknown)!r}")


async def _sweep_of(here: Parts, sweep: str | None) -> str | None:
    if sweep is None:
        return None
    try:
        return (await named_sweep(here, sweep)).id
    except Refused as refused:
        raise Close(4404, refused.problem.detail) from refused


async def _asked_for(here: Parts, socket: WebSocket, job: str) -> tuple[str, int]:
    after = _after(socket)
    try:
        found = await known_job(here, job)
    except Refused as refused:
        raise Close(4404, refused.problem.detail) from refused
    if after > found.seq:
        raise Close(4400, f"the job's newest event is {found.seq}, and you have {after}")
    return found.id, after


def _after(socket: WebSocket) -> int:
    text = socket.query_params.get("after", "-1")
    digits = text.removeprefix("-")
    if len(digits) < 20 and digits.isascii() and digits.isdigit() and -1 <= (after := int(text)) < 2**63:
        return after
    raise Close(4400, "`after` is the seq of the last event you have")
