"""A job's history as it happens: every event once and in order, whatever happens to the connection.

A stream that breaks is opened again behind the last event that was seen. `seq` is dense, so a frame that came before is
dropped, and a gap is a broken stream like any other. Only the `end` frame ends it, and only when nothing before it is
missing: a closed socket is never a finished job. Where no WebSocket can be had (some proxies refuse them) the same
frames come by long polls.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Literal

import httpx
from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from tiltyard.client.connection import AWAY, Connection, in_words, on_loopback
from tiltyard.client.errors import Misunderstood, Refused, Unreachable, refusal
from tiltyard.client.patience import Patience
from tiltyard.wire.events import End, Event, EventPage, Frame
from tiltyard.wire.problems import Problem

POLL_SECONDS = 20
ANSWER_SECONDS = 15
"""How long a poll's answer may be late."""
OPEN_SECONDS = 10
PING_SECONDS = 20
"""Between two pings, and until the answer to one: who does not answer is gone, though nothing says that it went."""
SIGN_OF_LIFE = 5.0
"""A socket that was open for so many seconds counts as an answer, though a quiet job sent nothing through it."""
LARGEST_FRAME = 16 * 2**20
_FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)

_CLOSED_FOR_GOOD = {
    4400: (400, "bad_message", "The gateway did not understand what was asked of its stream"),
    4401: (401, "unauthorized", "The token is missing, unknown or revoked"),
    4403: (403, "forbidden", "The token does not open this stream"),
    4404: (404, "not_found", "There is no such job"),
}


class Broken(Exception):
    """The stream ended before its end; what follows is had by opening it again."""


class Unopened(Broken):
    """It was cut off before it was open: by a gateway that went, or by something in between that passes no WebSockets on."""


class NoSocket(Exception):
    """What stands in between does not pass WebSockets on."""


async def follow(
    connection: Connection, job: str, *, after: int, patience: float
) -> AsyncGenerator[Frame, None]:
    """A job's events behind `after`, then its end."""
    path = f"jobs/{job}/events"
    bearing = Patience(patience, connection.url)
    seen = after
    by_socket = True
    while True:
        opened = (socket_frames if by_socket else polled)(connection, path, {"after": seen}, bearing)
        try:
            async with aclosing(opened) as frames:
                async for frame in frames:
                    if not follows(frame, seen):
                        continue
                    bearing.reward()
                    if isinstance(frame, Event):
                        seen = frame.seq
                    yield frame
                    if isinstance(frame, End):
                        return
        except NoSocket:
            by_socket = False
        except Broken as why:
            by_socket = not (by_socket and isinstance(why, Unopened))
            await bearing.bear(str(why))


def follows(frame: Frame, seen: int) -> bool:
    """Whether a frame is the next one: not if it came before.

    Raises:
        Broken: something is missing before it.
    """
    if isinstance(frame, End):
        if frame.seq > seen:
            raise Broken("events are missing before the end")
        return True
    if frame.seq > seen + 1:
        raise Broken("events are missing in the stream")
    return frame.seq == seen + 1


async def socket_frames(
    connection: Connection, path: str, params: dict[str, Any], bearing: Patience, opening: str | None = None
) -> AsyncGenerator[Frame, None]:
    """The frames of one WebSocket, as they come, after an opening message where there is one to send.

    Raises:
        Broken: it closed, or could not be opened just now.
        NoSocket: it cannot be opened at all.
        Refused: the gateway will not have it.
    """
    url = str(httpx.URL(connection.socket_url(path), params=params))
    proxy: Literal[True] | None = None if on_loopback(connection.url) else True
    opening_socket = connect(
        url,
        additional_headers=connection.headers,
        compression=None,
        max_size=LARGEST_FRAME,
        open_timeout=bearing.share(OPEN_SECONDS),
        ping_interval=bearing.share(PING_SECONDS),
        ping_timeout=bearing.share(PING_SECONDS),
        close_timeout=1,
        proxy=proxy,
    )
    with _translated():
        async with opening_socket as socket:
            if opening is not None:
                await socket.send(opening)
            opened = time.monotonic()
            try:
                async for message in socket:
                    yield read_frame(message)
            finally:
                if time.monotonic() - opened > SIGN_OF_LIFE:
                    bearing.reward()
        raise Broken("the stream was closed")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
        if code in _CLOSED_FOR_GOOD:
            raise _refused(code, closed.rcvd.reason if closed.rcvd else "") from closed
        raise Broken(f"the stream broke off ({code})") from closed
    except InvalidStatus as answer:
        if answer.response.status_code in AWAY:
            raise Broken(f"it answers {answer.response.status_code}") from answer
        raise NoSocket from answer
    except InvalidMessage as answer:
        raise Unopened("it closed the connection before its answer") from answer
    except InvalidHandshake as answer:
        raise NoSocket from answer
    except (OSError, TimeoutError) as error:
        raise Broken(in_words(error)) from error


async def polled(
    connection: Connection, path: str, params: dict[str, Any], bearing: Patience
) -> AsyncGenerator[Frame, None]:
    """The same frames by long polls.

    Raises:
        Broken: a poll was not answered.
        Refused: the gateway will not have it.
    """
    wait = bearing.share(POLL_SECONDS)
    within = wait + bearing.share(ANSWER_SECONDS)
    asked = params | {"wait": wait}
    while True:
        try:
            page = await connection.ask(
                EventPage, "GET", path, params=asked, answer_within=within, retry_for=0
            )
        except Unreachable as why:
            raise Broken(str(why)) from why
        for event in page.events:
            yield event
        if page.end is not None:
            yield page.end
            return
        if not page.events:
            bearing.reward()
        asked["after"] = page.seq


async def read_history(connection: Connection, path: str, *, after: int) -> list[Event]:
    """The events that have happened so far."""
    events: list[Event] = []
    while True:
        page = await connection.ask(EventPage, "GET", path, params={"after": after, "wait": 0})
        events.extend(page.events)
        if not page.events or page.end is not None:
            return events
        after = page.seq


def read_frame(message: str | bytes) -> Frame:
    """A frame as it came."""
    try:
        return _FRAME.validate_json(message)
    except ValidationError as error:
        raise Misunderstood("The gateway's stream holds a frame that this version does not know.") from error


def _refused(code: int, reason: str) -> Refused:
    status, name, title = _CLOSED_FOR_GOOD[code]
    return refusal(Problem(title=title, status=status, detail=reason or f"{title}.", code=name))
