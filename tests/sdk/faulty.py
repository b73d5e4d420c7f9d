"""A gateway that behaves as badly as networks do, on purpose: each connection to its stream follows the next act of a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tiltyard.wire import End, Event, EventKind, EventPage, JobState, Problem

JOB = "5eed" * 5
Act = Callable[[ServerConnection, int], Awaitable[None]]


def event(seq: int, job: str = JOB) -> Event:
    """The event with this number."""
    return Event(
        job=job, seq=seq, at=datetime.now(UTC), kind=EventKind.log, attempt=1, data={"text": f"{seq}\n"}
    )


def end(seq: int, job: str = JOB) -> End:
    """The end of a job whose newest event has this number."""
    return End(job=job, state=JobState.succeeded, seq=seq)


def sends(*frames: Event | End, close: int | None = None, cut: bool = False) -> Act:
    """An act that sends these frames, then closes with a code, cuts the connection, or says nothing more."""

    async def act(socket: ServerConnection, after: int) -> None:
        for frame in frames:
            await socket.send(frame.model_dump_json())
        if cut:
            socket.transport.abort()
        elif close is not None:
            await socket.close(close, "as the script says")
        await socket.wait_closed()

    return act


def goes_on_to(last: int) -> Act:
    """An act that does everything right, from where the follower is."""

    async def act(socket: ServerConnection, after: int) -> None:
        await sends(*(event(seq) for seq in range(after + 1, last + 1)), end(last), close=1000)(socket, after)

    return act


@dataclass
class Faulty:
    """The gateway, and what it was asked."""

    acts: list[Act]
    newest: int = 4
    refuses_sockets: bool = False
    asked: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    polls: int = 0
    server: Server | None = None
    answers: list[Response] = field(default_factory=list)
    """What HTTP requests are answered first."""

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self.server is not None
        return f"http://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}"

    async def converse(self, socket: ServerConnection) -> None:
        """Play the next act for one connection."""
        assert socket.request is not None
        after = int(parse_qs(urlsplit(socket.request.path).query).get("after", ["-1"])[0])
        self.asked.append(after)
        if "resume=1" in socket.request.path:
            self.said.append(str(await socket.recv()))
        await self.acts.pop(0)(socket, after)

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP; let a WebSocket pass."""
        del socket
        if "Upgrade" in request.headers:
            return answer(426, b"no sockets here") if self.refuses_sockets else None
        if self.answers:
            return self.answers.pop(0)
        self.polls += 1
        after = int(parse_qs(urlsplit(request.path).query).get("after", ["-1"])[0])
        upto = min(after + 2, self.newest)
        page = EventPage(
            events=[event(seq) for seq in range(after + 1, upto + 1)],
            end=end(upto) if upto == self.newest else None,
            seq=upto,
        )
        return answer(200, page.model_dump_json().encode())


def answer(status: int, body: bytes) -> Response:
    """An HTTP answer."""
    headers = Headers([("Content-Length", str(len(body))), ("Connection", "close")])
    return Response(status, HTTPStatus(status).phrase, headers, body)


def problem(status: int, code: str, detail: str = "no") -> Response:
    """A problem as an HTTP answer."""
    body = Problem(title="No", status=status, code=code, detail=detail)
    return answer(status, body.model_dump_json().encode())


@asynccontextmanager
async def faulty(*acts: Act, **more: object) -> AsyncIterator[Faulty]:
    """Run the script."""
    gateway = Faulty(list(acts), **more)  # type: ignore[arg-type]
    async with serve(
        gateway.converse, "127.0.0.1", 0, process_request=gateway.answer, close_timeout=1
    ) as server:
        gateway.server = server
        yield gateway
        await asyncio.sleep(0)


def said_after(message: str) -> dict[str, int]:
    """What a follower of many jobs says that it has."""
    return dict(json.loads(message)["after"])
