"""One address before several servers, which can fail as networks do: refuse, cut, or fall silent and say nothing of it."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers import free_port

NO_SOCKETS = b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class Line:
    """A connection through the balancer."""

    target: int
    ends: tuple[asyncio.StreamWriter, ...]
    passes: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        """End it at once, on both sides."""
        self.passes.set()
        for end in self.ends:
            end.transport.abort()


class Balancer:
    """Gives each new connection to the next of its targets that takes it.

    Args:
        targets: ports on loopback.
        passes_sockets: whether a WebSocket gets through, or is refused as some proxies do.
    """

    def __init__(self, *targets: int, passes_sockets: bool = True) -> None:
        self.port = free_port()
        self.served: list[int] = []
        """The target of each connection that there was."""
        self._targets: Sequence[int] = targets
        self._turns = itertools.count()
        self._passes_sockets = passes_sockets
        self._silent: set[int] = set()
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)

    @property
    def url(self) -> str:
        """Where clients of a gateway find it."""
        return f"http://127.0.0.1:{self.port}"

    def callers(self) -> set[int]:
        """The ports from which it has called its targets, of the connections that there are."""
        return {int(line.ends[1].get_extra_info("sockname")[1]) for line in tuple(self._lines)}

    def give_to(self, *targets: int) -> None:
        """Give new connections to these alone."""
        self._targets = targets

    def cut(self) -> None:
        """Break every connection off."""
        self._run(self._abort_all)

    def refuse(self) -> None:
        """Break every connection off, and take none."""
        self._run(self._refuse)

    def accept(self) -> None:
        """Take connections, as from the start."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def fall_silent(self, *targets: int) -> None:
        """Lose these targets without a word: what is open to them stays open, and nothing passes any more."""
        self._run(lambda: self._silence(targets))

    @contextmanager
    def running(self) -> Iterator["Balancer"]:
        """Balance while the block lasts."""
        self._thread.start()
        self.accept()
        try:
            yield self
        finally:
            self._run(self._refuse)
            asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _settle(self) -> None:
        others: list[asyncio.Task[Any]] = [
            task for task in asyncio.all_tasks() if task is not asyncio.current_task()
        ]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
        self._abort_all()

    def _abort_all(self) -> None:
        for line in tuple(self._lines):
            line.abort()

    def _silence(self, targets: Sequence[int]) -> None:
        self._silent = set(targets)
        for line in self._lines:
            if line.target in self._silent:
                line.passes.clear()
            else:
                line.passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if not self._passes_sockets:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"upgrade: websocket" in head.lower():
                    writer.write(NO_SOCKETS)
                    writer.close()
                    return
            await self._join(reader, writer, head)
        writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        target, back, forth = await self._reach()
        self.served.append(target)
        line = Line(target, (writer, forth))
        if target not in self._silent:
            line.passes.set()
        self._lines.add(line)
        forth.write(head)
        try:
            await asyncio.gather(_copy(line, reader, forth), _copy(line, back, writer))
        finally:
            self._lines.discard(line)
            line.abort()

    async def _reach(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        targets = self._targets
        first = next(self._turns)
        for turn in range(first, first + len(targets)):
            target = targets[turn % len(targets)]
            with contextlib.suppress(OSError):
                return target, *(await asyncio.open_connection("127.0.0.1", target))
        raise ConnectionRefusedError("no target takes it")


async def _copy(line: Line, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        await line.passes.wait()
        sink.write(data)
        await sink.drain()
    await line.passes.wait()
    if sink.can_write_eof():
        sink.write_eof()
