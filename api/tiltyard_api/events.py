"""The history of jobs: as a WebSocket, as a long poll on the same URL, and as the plain text of the log."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, WebSocket
from fastapi.responses import StreamingResponse

from tiltyard.wire import End, EventPage, ProblemItem, WireModel
from tiltyard_api.auth import User
from tiltyard_api.jobs import known_job
from tiltyard_api.parts import Here, Parts
from tiltyard_api.problems import Refused, invalid, not_found, responses
from tiltyard_api.sockets import Close, admit, converse, first_message, refuse, send_all
from tiltyard_api.stream import follow_job, follow_many, next_page
from tiltyard_orchestrator.storage import tokens
from tiltyard_orchestrator.storage.events import read_log

routes = APIRouter(tags=["events"])

After = Annotated[
    int, Query(ge=-1, le=2**63 - 1, description="The `seq` of the last event you have; -1 for none.")
]
LOG_PAGE = 200


class Ticket(WireModel):
    """What opens one WebSocket, once, from a browser, which can send no header there."""

    ticket: str
    expires_in: float
    """Seconds."""


@routes.post("/tickets", operation_id="create_ticket", status_code=201, responses=responses())
async def create_ticket(here: Here, user: User) -> Ticket:
    """A ticket for `?ticket=` on a WebSocket URL."""
    async with here.database.transaction() as session:
        ticket = await tokens.create_ticket(session, user)
    return Ticket(ticket=ticket, expires_in=tokens.TICKET_SECONDS)


@routes.get("/jobs/{job}/events", operation_id="list_job_events", responses=responses(404))
async def list_job_events(
    job: str,
    here: Here,
    _user: User,
    after: After = -1,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the next event.")] = 0,
) -> EventPage:
    """The events of a job behind `after`, in order. With an Upgrade header this URL is a WebSocket instead.

    The WebSocket sends the same events as they come, one JSON frame each, then `{"kind": "end", ...}`, then closes
    with 1000. A socket that closed without it says nothing of the job: come back with the last `seq` you have.
    """
    found = await known_job(here, job)
    if after > found.seq:
        detail = f"the job's newest event is {found.seq}; nothing can follow {after} yet"
        raise invalid([ProblemItem(pointer="?after", code="after_the_end", detail=detail)], "after_the_end")
    page = await next_page(here, found.id, after, limit=limit, wait=wait)
    if page is None:
        raise not_found("job", job)
    now, events = page
    seq = events[-1].seq if events else after
    end = End(job=found.id, state=now.state, seq=now.seq) if now.state.final and seq >= now.seq else None
    return EventPage(events=events, end=end, seq=seq)


@routes.websocket("/jobs/{job}/events")
async def follow_job_events(socket: WebSocket, job: str, here: Here) -> None:
    """The same events as they come."""
    try:
        token = await admit(here, socket)
        after = _after(socket)
        try:
            found = await known_job(here, job)
        except Refused as refused:
            raise Close(4404, refused.problem.detail) from refused
        _within(after, found.seq)
    except Close as close:
        await refuse(socket, close)
        return
    await socket.accept()
    await converse(here, socket, send_all(here, socket, token, follow_job(here, found.id, after)))


@routes.get("/events", operation_id="follow_events", status_code=426, responses=responses(426))
async def upgrade_events(_user: User) -> None:
    """Many jobs' events over one WebSocket: `?experiment=NAME` or `?job=ID&job=ID`, or every job.

    With `?resume=1` the client's first message is `{"after": {job: seq, ...}}`, the `seq` that it has of each job.
    """
    raise Refused(
        426,
        "upgrade_required",
        "this is a WebSocket: send an Upgrade header",
        headers={"Upgrade": "websocket"},
    )


@routes.websocket("/events")
async def follow_many_events(socket: WebSocket, here: Here) -> None:
    """Many jobs' events as they come."""
    try:
        token = await admit(here, socket)
    except Close as close:
        await refuse(socket, close)
        return
    await socket.accept()
    known: dict[str, int] = {}
    if socket.query_params.get("resume"):
        try:
            known = await first_message(socket)
        except Close as close:
            await refuse(socket, close)
            return
    jobs = socket.query_params.getlist("job") or None
    frames = follow_many(here, known, experiment=socket.query_params.get("experiment"), jobs=jobs)
    await converse(here, socket, send_all(here, socket, token, frames))


def _within(after: int, newest: int) -> None:
    if after > newest:
        raise Close(4400, f"the job's newest event is {newest}, and you have {after}")


def _after(socket: WebSocket) -> int:
    text = socket.query_params.get("after", "-1")
    try:
        after = int(text) if len(text) < 20 else None
    except ValueError:
        after = None
    if after is None or not -1 <= after < 2**63:
        raise Close(4400, "`after` is the seq of the last event you have")
    return after


@routes.get(
    "/jobs/{job}/log",
    operation_id="get_job_log",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {}}}, **responses(404)},
)
async def get_job_log(
    job: str, here: Here, _user: User, stream: Literal["stdout", "stderr"] | None = None
) -> StreamingResponse:
    """What the job printed so far, both streams as they came, or one of them."""
    found = await known_job(here, job)
    return StreamingResponse(
        _log_text(here, found.id, stream),
        media_type="text/plain; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


async def _log_text(here: Parts, job: str, stream: str | None) -> AsyncIterator[str]:
    after = -1
    while True:
        async with here.database.transaction() as session:
            events = await read_log(session, job, after=after, limit=LOG_PAGE, stream=stream)
        for event in events:
            if dropped := event.data.get("dropped"):
                yield f"\n[{dropped} bytes left out here]\n"
            yield str(event.data.get("text", ""))
        if len(events) < LOG_PAGE:
            return
        after = events[-1].seq
