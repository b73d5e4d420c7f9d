"""A TCP proxy that balances over those servers that answer, and misbehaves when told to.

A door can refuse, cut every connection with a reset, hold what goes one way or the other (a partition: connections stay
open, and nothing arrives until it is released), and delay. What was held arrives when it is released, as it does after a
real partition, unless it is cut before.
"""

import asyncio
import itertools
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.faults.background import Background

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 1 << 16


@dataclass(eq=False)
class _Pair:
    """A client's connection, and the one behind it."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    upstream: int

    def reset(self) -> None:
        for writer in (self.near, self.far):
            _reset(writer)


class Door:
    """A port that leads to one of several.

    Args:
        background: the loop that it lives on.
        upstreams: the ports that it balances over; the first one that takes the connection serves it.
    """

    def __init__(self, background: Background, upstreams: Sequence[int]) -> None:
        self.upstreams = list(upstreams)
        self.delay = 0.0
        """Seconds that each piece of data is late."""
        self.held_bytes = 0
        """What came since the door was last held, and was not passed on."""
        self.trap: bytes | None = None
        """The next request with these bytes in it passes, and from then on no answer does."""
        self._background = background
        self._turn = itertools.count()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests = asyncio.Event()
        self._answers = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0
        background.run(self._open())

    @property
    def connections(self) -> int:
        """How many are open through it."""
        return len(self._pairs)

    def connections_to(self, port: int) -> int:
        """How many of them lead to one of its upstreams."""
        return sum(1 for pair in list(self._pairs) if pair.upstream == port)

    def refuse(self) -> None:
        """Take no connection any more, and cut those that are open."""
        self._background.run(self._shut())

    def cut(self) -> int:
        """Reset every connection; gives how many there were."""
        return self._background.run(self._cut())

    def hold(self, *, requests: bool = True, answers: bool = True) -> None:
        """Keep connections open and pass nothing on, of what clients say, of what servers answer, or of both."""
        self._background.run(self._hold(requests=requests, answers=answers))

    def release(self) -> None:
        """Be an honest proxy again, whatever it was told before."""
        self._background.run(self._release())

    def close(self) -> None:
        """Close it for good."""
        self._background.run(self._shut())

    async def _open(self) -> None:
        self._requests.set()
        self._answers.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, reuse_address=True, backlog=256
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()
        for task in self._tasks:
            task.cancel()

    async def _cut(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()
        return len(pairs)

    async def _hold(self, *, requests: bool, answers: bool) -> None:
        self.held_bytes = 0
        for wanted, gate in ((requests, self._requests), (answers, self._answers)):
            if wanted:
                gate.clear()

    async def _release(self) -> None:
        self.delay = 0.0
        self.trap = None
        await self._open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._requests.wait()
            await self._join(reader, writer)
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached = await self._reach()
        if reached is None:
            _reset(writer)
            return
        far_reader, far_writer, upstream = reached
        pair = _Pair(writer, far_writer, upstream)
        self._pairs.add(pair)
        pumps = [
            asyncio.ensure_future(self._pump(reader, far_writer, self._requests)),
            asyncio.ensure_future(self._pump(far_reader, writer, self._answers)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._pairs.discard(pair)
            for one in (writer, far_writer):
                with suppress(OSError):
                    one.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int] | None:
        first = next(self._turn)
        for offset in range(len(self.upstreams)):
            port = self.upstreams[(first + offset) % len(self.upstreams)]
            with suppress(OSError):
                return (*await asyncio.open_connection("127.0.0.1", port), port)
        return None

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while True:
                data = await source.read(_CHUNK)
                if not gate.is_set():
                    self.held_bytes += len(data)
                    await gate.wait()
                if not data:
                    return
                if gate is self._requests and self.trap and self.trap in data:
                    self.trap = None
                    await self._hold(requests=False, answers=True)
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
