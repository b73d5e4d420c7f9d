"""One WebSocket of followed events: who may open it, how it is sent, and the code that it is closed with.

1000 done, 1001 the gateway stops, 1013 too slow, 4400 bad message, 4401 who are you, 4403 not yours, 4404 no such job.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from starlette.websockets import WebSocket, WebSocketDisconnect

from tiltyard.wire import Frame
from tiltyard_api.auth import identify, token_of
from tiltyard_api.parts import Parts
from tiltyard_api.stream import JobGone
from tiltyard_orchestrator.storage import tokens

SEND_SECONDS = 10.0
CHECK_SECONDS = 5.0
LARGEST_MESSAGE = 1 << 20
FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)


class Close(Exception):
    """Why a socket is closed: a code, and a sentence for a person."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason[:120]


async def admit(here: Parts, socket: WebSocket) -> str | None:
    """Check who opens a socket, before anything is sent on it.

    Returns:
        The token that is to stay good while the socket is open; None for a ticket, which was good once.

    Raises:
        Close: 4401 without a good token or ticket, 4403 for a worker's token or a page of another site.
    """
    origin = socket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
        raise Close(4403, "pages of other sites may not follow events here")
    token = token_of(socket)
    if token is None and (ticket := socket.query_params.get("ticket")):
        async with here.database.transaction() as session:
            bearer = await tokens.redeem_ticket(session, ticket)
    else:
        bearer = await identify(here, token)
    if bearer is None:
        raise Close(4401, "send a bearer token, or ?ticket= from POST /api/v1/tickets")
    if bearer.role != "user":
        raise Close(4403, "a worker's token follows no events")
    return token


async def send_all(
    here: Parts, socket: WebSocket, token: str | None, frames: AsyncIterator[list[Frame]]
) -> None:
    """Send frames until they end.

    Raises:
        Close: with the code that says why it ended; 1000 when there is no more.
    """
    checked = asyncio.get_running_loop().time()
    try:
        async for batch in frames:
            for frame in batch:
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await socket.send_text(FRAME.dump_json(frame).decode())
                except TimeoutError as slow:
                    raise Close(1013, "too slow; come back with the seq you have") from slow
            now = asyncio.get_running_loop().time()
            if token is not None and now - checked > CHECK_SECONDS:
                checked = now
                await _check_again(here, token)
    except JobGone as gone:
        raise Close(4404, f"job {gone} was deleted") from gone
    raise Close(1000, "done")


async def _check_again(here: Parts, token: str) -> None:
    with suppress(OSError):  # a database that is away revokes nothing
        if await identify(here, token) is None:
            raise Close(4401, "the token was revoked")


async def converse(here: Parts, socket: WebSocket, work: Any) -> None:
    """Run the sending side of a socket until it ends, the client goes, or the gateway stops; then close it."""
    tasks = [
        asyncio.ensure_future(work),
        asyncio.ensure_future(_listen(socket)),
        asyncio.ensure_future(here.draining.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if tasks[2] in done:
        await _close(socket, Close(1001, "the gateway stops; come back"))
        return
    error = next((task.exception() for task in done if task.exception()), None)
    match error:
        case Close():
            await _close(socket, error)
        case None | WebSocketDisconnect():
            return
        case _:
            await _close(socket, Close(1011, "the gateway failed; come back with the seq you have"))
            raise error


async def _listen(socket: WebSocket) -> None:
    # A follower has nothing more to say; whatever it does say is read and bounded, so that its close is seen.
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        raise Close(4400, "this stream takes no messages")


async def first_message(socket: WebSocket) -> dict[str, int]:
    """What a follower of many jobs has already: `{"after": {job: seq}}`, its first message.

    Raises:
        Close: 4400 when it says something else.
    """
    try:
        async with asyncio.timeout(SEND_SECONDS):
            text = await socket.receive_text()
        said = json.loads(text) if len(text) <= LARGEST_MESSAGE else None
    except (TimeoutError, ValueError, KeyError) as error:
        raise Close(4400, 'the first message is {"after": {job: seq}}') from error
    match said:
        case {"after": dict(after)} if all(
            isinstance(seq, int) and -1 <= seq < 2**63 for seq in after.values()
        ):
            return dict(after)
    raise Close(4400, 'the first message is {"after": {job: seq}}')


async def refuse(socket: WebSocket, close: Close) -> None:
    """Close a socket that was not let in; it is accepted first, so that browsers see the code."""
    with suppress(RuntimeError):
        await socket.accept()
    await _close(socket, close)


async def _close(socket: WebSocket, close: Close) -> None:
    with suppress(RuntimeError, TimeoutError, WebSocketDisconnect, OSError):
        async with asyncio.timeout(SEND_SECONDS):
            await socket.close(close.code, close.reason)
