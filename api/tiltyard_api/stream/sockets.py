"""One WebSocket of followed events: who may open it, how it is sent, and the code that it is closed with.

1000 done, 1001 the gateway stops, 1013 too slow or come back later, 4400 bad message, 4401 who are you, 4403 not yours,
4404 no such job. A socket that is refused is accepted first, so that browsers see the code.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from tiltyard_api.auth import token_of
from tiltyard_api.http.problems import is_away
from tiltyard_api.parts import Parts
from tiltyard_api.parts.reading import JobGone
from tiltyard_api.stream.catch_up import Away
from tiltyard_orchestrator.storage.access.tokens import Bearer

log = structlog.get_logger(__name__)

LARGEST_MESSAGE = 4 << 20
"""Room for the places of some hundred thousand jobs, with which a follower of many comes back."""
LONGEST_REASON = 120
"""Bytes: what fits into a close frame."""


class Close(Exception):
    """Why a socket is closed: a code, and a sentence for a person."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode(errors="replace")[:LONGEST_REASON].decode(errors="ignore")


async def admit(here: Parts, socket: WebSocket) -> Bearer:
    """Check who opens a socket, before anything is sent on it.

    Raises:
        Close: 4401 without a good token or ticket, 4403 for a worker's token or a page of another site.
    """
    origin = socket.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != socket.headers.get("host"):
        raise Close(4403, "pages of other sites may not follow events here")
    token, ticket = token_of(socket), socket.query_params.get("ticket")
    bearer = None
    if token is not None:
        bearer = await here.guests.identify(token)
    elif ticket:
        bearer = await here.guests.redeem(ticket)
    if bearer is None:
        raise Close(4401, "send a bearer token, or ?ticket= from POST /api/v1/tickets")
    if bearer.role != "user":
        raise Close(4403, "a worker's token follows no events")
    return bearer


async def send_all(here: Parts, socket: WebSocket, frames: AsyncGenerator[list[str], None]) -> None:
    """Send frames until they end.

    Raises:
        Close: with the code that says why it ended; 1000 when there is no more.
    """
    leave = _Leave(here, socket.scope["tiltyard.bearer"])
    async with aclosing(frames):
        async for batch in frames:
            await leave.check()
            for frame in batch:
                await _send(here, socket, frame)
                await leave.check()  # whoever reads slowly takes long over a batch
    raise Close(1000, "done")


async def _send(here: Parts, socket: WebSocket, frame: str) -> None:
    try:
        async with asyncio.timeout(here.pace.send):
            await socket.send_text(frame)
    except TimeoutError as slow:
        raise Close(1013, "too slow; come back with the seq you have") from slow


class _Leave:
    """A follower's leave to stay, which is looked at again every few seconds."""

    def __init__(self, here: Parts, bearer: Bearer) -> None:
        self._here = here
        self._bearer = bearer
        self._clock = asyncio.get_running_loop().time
        self._checked = self._clock()

    async def check(self) -> None:
        """Look whether the token is still good, if it is time to.

        Raises:
            Close: it is not.
        """
        if self._clock() - self._checked < self._here.pace.poll:
            return
        self._checked = self._clock()
        try:
            may_stay = await self._here.guests.may_stay(self._bearer)
        except Exception as error:
            if not is_away(error):
                raise
            return  # a database that is away revokes nothing
        if not may_stay:
            raise Close(4401, "the token was revoked")


async def converse(here: Parts, socket: WebSocket, sending: Coroutine[None, None, None]) -> None:
    """Run the sending side of a socket until it ends, the client goes, or the gateway stops; then close it."""
    close = await _until_end(here, socket, sending)
    if close is not None:
        await close_socket(here, socket, close)


async def _until_end(here: Parts, socket: WebSocket, sending: Coroutine[None, None, None]) -> Close | None:
    sides = [asyncio.ensure_future(side) for side in (sending, _listen(socket), _drain(here))]
    try:
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for side in sides:
            side.cancel()
        ends = await asyncio.gather(*sides, return_exceptions=True)
    # The first that ended says why, in this order when several did: an end that was sent is an end.
    why = next(end for end in ends if not isinstance(end, asyncio.CancelledError))
    return None if isinstance(why, WebSocketDisconnect) else _explained(why)


def _explained(why: BaseException | None) -> Close:
    match why:
        case Close():
            return Close(why.code, why.reason)  # without its traceback, which holds what was still to be sent
        case JobGone():
            return Close(4404, f"job {why} was deleted")
        case Away():
            return Close(1013, "the database is away; come back with the seq you have")
        case _:
            log.error("stream_failed", exc_info=why)
            return Close(1011, "this is our fault; come back with the seq you have")


async def _listen(socket: WebSocket) -> None:
    # A follower has nothing more to say. It is listened to so that its going is noticed.
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        raise Close(4400, "this stream takes no messages")


async def _drain(here: Parts) -> None:
    await here.draining.wait()
    raise Close(1001, "the gateway stops; come back with the seq you have")


async def first_message(here: Parts, socket: WebSocket) -> dict[str, int]:
    """What a follower of many jobs has already: `{"after": {job: seq}}`, its first message.

    Raises:
        Close: 4400 when it says something else, or nothing.
        WebSocketDisconnect: it went.
    """
    try:
        async with asyncio.timeout(here.pace.send):
            text = await socket.receive_text()
        said = json.loads(text) if len(text) <= LARGEST_MESSAGE else None
    except (TimeoutError, ValueError, KeyError, RecursionError) as error:
        raise Close(4400, 'the first message is {"after": {job: seq}}') from error
    match said:
        case {"after": dict(after), **rest} if not rest and all(map(_is_seq, after.values())):
            return dict(after)
    raise Close(4400, 'the first message is {"after": {job: seq}}')


def _is_seq(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 2**63


async def close_socket(here: Parts, socket: WebSocket, close: Close) -> None:
    """Close a socket. A client that was too slow reads why when it reads again, if it does within a minute."""
    with suppress(RuntimeError, TimeoutError, WebSocketDisconnect, OSError):
        async with asyncio.timeout(here.pace.farewell if close.code == 1013 else here.pace.send):
            await socket.close(close.code, close.reason)
