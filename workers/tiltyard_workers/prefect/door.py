"""The address at which a worker's jobs find Prefect: a door on loopback that has the host's one server started when needed.

Most jobs have no flow, so the server starts with the first connection, which is held until it answers; and again when it
died. Where it cannot be started, whoever comes is told so in words, and no other job is the worse for it. What each job may
ask of it says the gate.
"""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import structlog
from pydantic import SecretStr

from tiltyard_workers.prefect.conversation import PATIENCE, Conversation, NotServed, Streams, pass_on
from tiltyard_workers.prefect.gate import Gate
from tiltyard_workers.prefect.place import Place
from tiltyard_workers.prefect.server import environment
from tiltyard_workers.settings import WorkerSettings

log = structlog.get_logger(__name__)

START_SECONDS = 120.0
LOOK_SECONDS = 0.1
REST_SECONDS = 30.0
"""How long a server that did not start is not tried again."""
AGAIN_SECONDS = 2.0
"""After another process was found to be the server, and yet nobody answers."""
HEAD_SECONDS = 10.0
LARGEST_LOG = 1 << 20
FOLDER = ".prefect"


@contextmanager
def flows_served(settings: WorkerSettings) -> Iterator[WorkerSettings]:
    """The settings, with an address where jobs find Prefect; as they are where there is one, or none can be."""
    if settings.prefect_url:
        yield settings
        return
    place = Place(settings.scratch.resolve() / FOLDER)
    try:
        door = Door(place, gate := Gate())
    except OSError as error:
        log.warning("no_prefect", error=str(error))
        yield settings
        return
    with place.as_worker():
        door.start()
        try:
            made = {"prefect_secret": SecretStr(gate.secret), "prefect_events": False}
            yield settings.model_copy(update={"prefect_url": door.url, **made})
        finally:
            door.close()


class Door:
    """Listens on loopback, from when it is made; answers from a thread of its own.

    Args:
        place: where the host's server is.
        gate: says what each job may ask; None, for one user's own runs: everybody may ask everything.
    """

    def __init__(self, place: Place, gate: Gate | None = None) -> None:
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._place = place
        self._gate = gate
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="prefect-door", daemon=True)
        self._conversations: set[asyncio.Task[None] | None] = set()
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._why = ""
        self._rest_until = 0.0

    @property
    def url(self) -> str:
        """Where flows find Prefect's API."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_server(self._answer, sock=self._listener)
        self._loop.run_until_complete(listening)
        self._loop.run_forever()
        for task in (open_still := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*open_still, return_exceptions=True))
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        self._conversations.add(this)  # the loop itself holds on to none of them
        try:
            if self._gate is None:
                await self._pass_everything_on(reader, writer)
            else:
                await self._talk(self._gate, reader, writer)
        except NotServed as why:
            await _refuse(reader, writer, str(why))
        finally:
            writer.close()
            self._conversations.discard(this)

    async def _talk(self, gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = httpx.AsyncHTTPTransport(uds=str(self._place.socket))
        async with httpx.AsyncClient(transport=way, base_url="http://prefect", timeout=PATIENCE) as server:
            await Conversation(gate=gate, server=server, connect=self._connected).hold(reader, writer)

    async def _pass_everything_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, to_them = await self._connected()
        try:
            await asyncio.gather(pass_on(reader, to_them, last=False), pass_on(theirs, writer, last=True))
        finally:
            to_them.close()

    async def _connected(self) -> Streams:
        if streams := await self._knock():
            return streams
        async with self._starting:
            return await self._knock() or await self._started()

    async def _knock(self) -> Streams | None:
        try:
            return await asyncio.open_unix_connection(str(self._place.socket))
        except OSError:
            return None

    async def _started(self) -> Streams:
        """Start the server, or wait for the one that another worker has."""
        if time.monotonic() < self._rest_until:
            raise NotServed(self._why)
        self._process = None
        deadline, tried = time.monotonic() + START_SECONDS, 0.0
        while (now := time.monotonic()) < deadline:
            if self._process is None or (self._process.poll() == 0 and now > tried + AGAIN_SECONDS):
                self._process, tried = self._spawn(), now
            if streams := await self._knock():
                log.info("prefect_server_answers", seconds=round(START_SECONDS - deadline + now, 1))
                return streams
            if self._process.poll():
                raise self._given_up(f"it ended at its start: {self._last_line()}")
            await asyncio.sleep(LOOK_SECONDS)
        raise self._given_up(f"it did not answer within {START_SECONDS:g} s")

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tiltyard_workers.prefect.server", str(self._place.folder)]
        try:
            with self._place.log.open("wb" if _size(self._place.log) > LARGEST_LOG else "ab") as out:
                return subprocess.Popen(
                    command,
                    env=environment(self._place),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,  # it is the host's, and outlives the worker that started it
                )
        except OSError as error:
            raise self._given_up(str(error)) from error

    def _given_up(self, why: str) -> NotServed:
        self._why = f"this worker's Prefect server could not be started: {why}"
        self._rest_until = time.monotonic() + REST_SECONDS
        log.error("prefect_server_failed", error=why, log=str(self._place.log))
        return NotServed(self._why)

    def _last_line(self) -> str:
        try:
            lines = self._place.log.read_text(errors="replace").split("\n")
        except OSError as error:
            return str(error)
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, why: str) -> None:
    """Answer a request with the reason why nobody will answer it."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
    body = json.dumps({"detail": why}).encode()
    head = (
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()
