"""One connection of a job's to the host's Prefect server: request by request, each let through by the gate or answered here."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h11
import httpx

from tiltyard_workers.prefect.gate import EVENTS, NO_KEY, OPEN, Gate, plainly

CHUNK = 64 << 10
LONGEST_HEAD = 64 << 10
LARGEST_BODY = 16 << 20
IDLE_SECONDS = 300.0
"""A client that keeps a connection open and asks nothing comes back with another one."""
PATIENCE = httpx.Timeout(150, connect=10)
_HOP = {
    b"authorization", b"connection", b"content-length", b"host", b"keep-alive", b"te", b"trailer", b"transfer-encoding",
    b"upgrade",
}  # fmt: skip
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotServed(Exception):
    """There is no server, and none can be started; the message says why."""


@dataclass(kw_only=True)
class Asked:
    """A request."""

    head: h11.Request
    body: bytearray = field(default_factory=bytearray)

    @property
    def method(self) -> str:
        """In capitals."""
        return self.head.method.decode()

    @property
    def target(self) -> str:
        """Path and query."""
        return self.head.target.decode()

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    def header(self, name: bytes) -> str:
        """A header; empty where there is none."""
        return next((value.decode("latin-1") for key, value in self.head.headers if key == name), "")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What is between one connection and the server.

    Args:
        gate: who may ask what.
        server: asks the server.
        connect: makes a connection to the server, which is started where it is not there.
    """

    gate: Gate
    server: httpx.AsyncClient
    connect: Callable[[], Awaitable[Streams]]

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the caller has no more."""
        line = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        with suppress(h11.RemoteProtocolError, TimeoutError, OSError):
            while asked := await _next(line, reader, writer):
                attempt = self.gate.who(asked.header(b"authorization"))
                if asked.header(b"upgrade"):
                    if attempt is not None and asked.path == EVENTS:
                        await self._tunnel(asked, line, reader, writer)
                    return
                status, headers, body = await self._answer(attempt, asked)
                writer.write(_framed(line, status, headers, body, bodiless=asked.method == "HEAD"))
                await writer.drain()
                if line.our_state is not h11.DONE or line.their_state is not h11.DONE:
                    return
                line.start_next_cycle()

    async def _answer(
        self, attempt: str | None, asked: Asked
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        is_open = asked.method == "GET" and asked.path == OPEN
        if attempt is None and not is_open:
            return _refusal(401, NO_KEY)
        if len(asked.body) > LARGEST_BODY:
            return _refusal(413, f"a request has {LARGEST_BODY >> 20} MiB at most")
        body = bytes(asked.body)
        if attempt is not None and (why := self.gate.why_not(attempt, asked.method, asked.path, body)):
            return _refusal(403, why)
        try:
            (await self.connect())[1].close()  # it is there, or is started
            headers = [(name, value) for name, value in asked.head.headers if name not in _HOP]
            sent = self.server.build_request(
                asked.method, asked.target, headers=headers, content=plainly(asked.path, body)
            )
            answer = await self.server.send(sent)
        except (NotServed, httpx.HTTPError) as why:
            return _refusal(500, str(why) or type(why).__name__)
        if attempt is not None:
            self.gate.note(attempt, asked.method, asked.path, answer.status_code, answer.content)
        kept = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP]
        encoded = {b"content-encoding"}  # it is read already
        return answer.status_code, [one for one in kept if one[0].lower() not in encoded], answer.content

    async def _tunnel(
        self, asked: Asked, line: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass a WebSocket on as it comes: what a flow tells of its own events, which nobody reads."""
        theirs, to_them = await self.connect()
        try:
            head = b"".join(
                b"%s: %s\r\n" % pair for pair in asked.head.headers if pair[0] != b"authorization"
            )
            to_them.write(b"GET %s HTTP/1.1\r\n%s\r\n%s" % (asked.head.target, head, line.trailing_data[0]))
            await asyncio.gather(pass_on(reader, to_them, last=False), pass_on(theirs, writer, last=True))
        finally:
            to_them.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, last: bool) -> None:
    """Pass on what is read until its end. The server speaks last: when it has ended, so has the conversation."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if not last:
            writer.write_eof()
            return
    writer.close()


async def _next(
    line: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Asked | None:
    """The next request; None when there is no more. Of a body that is too large, a little too much is kept."""
    asked: Asked | None = None
    while True:
        match line.next_event():
            case h11.Request() as head:
                asked = Asked(head=head)
            case h11.Data(data=data) if asked is not None:
                if len(asked.body) <= LARGEST_BODY:
                    asked.body += data
            case h11.EndOfMessage():
                return asked
            case h11.ConnectionClosed() | h11.PAUSED:
                return None
            case h11.NEED_DATA:
                if line.they_are_waiting_for_100_continue:
                    go_on = line.send(h11.InformationalResponse(status_code=100, headers=[]))
                    writer.write(go_on or b"")
                async with asyncio.timeout(IDLE_SECONDS):
                    line.receive_data(await reader.read(CHUNK))


def _framed(
    line: h11.Connection, status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, bodiless: bool
) -> bytes:
    """An answer as it goes over the wire."""
    said = [*headers, (b"content-length", str(len(body)).encode())]
    head = line.send(h11.Response(status_code=status, headers=said if status != 204 else headers))
    content = b"" if bodiless or status == 204 else line.send(h11.Data(data=body))
    return b"".join([head or b"", content or b"", line.send(h11.EndOfMessage()) or b""])


def _refusal(status: int, why: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Basic"))
    return status, headers, json.dumps({"detail": why}).encode()
