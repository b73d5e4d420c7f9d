r"""What a job prints, read raw and at once, so that no job ever waits for us; bounded, and every cut is marked.

Bytes that are not UTF-8 are shown as `\xff`, NUL as `\x00`. An attempt's first bytes are kept up to a limit, and its last
ones whatever the limit; so are the last ones before the network has room again. What was between them is counted.
"""

import codecs
import os
import threading
import time
from collections.abc import Callable
from typing import IO, Protocol

CHUNK = 16 << 10
TAIL_BYTES = 64 << 10


class Emit(Protocol):
    """Takes a piece of a stream's text."""

    def __call__(self, stream: str, text: str, *, partial: bool, dropped: int) -> None:
        """Take it: `partial` when it stops inside a line, `dropped` bytes left out before it."""
        ...


class Output:
    """Reads one output pipe on a thread of its own.

    Args:
        name: `stdout` or `stderr`.
        pipe: the pipe's reading end.
        emit: where pieces of text go.
        has_room: whether they are taken now.
        limit: how many bytes are kept from the beginning.
    """

    def __init__(
        self, name: str, pipe: IO[bytes], emit: Emit, *, has_room: Callable[[], bool], limit: int
    ) -> None:
        self._name = name
        self._pipe = pipe
        self._emit = emit
        self._has_room = has_room
        self._left = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._tail = bytearray()
        self.heard_at = time.monotonic()
        """When something was last printed, be it kept or not."""
        self._skipped = 0
        self._thread = threading.Thread(target=self._read, name=f"read-{name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait for the pipe's end; it comes when nothing of the job is left."""
        self._thread.join(seconds)

    def _read(self) -> None:
        descriptor = self._pipe.fileno()
        while chunk := os.read(descriptor, CHUNK):
            self._tail += chunk
            self.heard_at = time.monotonic()
            if self._left > 0 and self._has_room():
                self._pass_on()
            elif (surplus := len(self._tail) - TAIL_BYTES) > TAIL_BYTES:
                self._skip(surplus)
        if (surplus := len(self._tail) - TAIL_BYTES) > 0 and self._left <= 0:
            self._skip(surplus)
        self._pass_on()
        self._say(self._decoder.decode(b"", final=True), 0)
        self._pipe.close()

    def _skip(self, count: int) -> None:
        del self._tail[:count]
        self._skipped += count

    def _pass_on(self) -> None:
        if self._skipped:
            self._say(self._decoder.decode(b"", final=True), 0)
        dropped, self._skipped = self._skipped, 0
        self._left -= len(self._tail)
        for start in range(0, len(self._tail), CHUNK):
            self._say(self._decoder.decode(bytes(self._tail[start : start + CHUNK])), dropped)
            dropped = 0
        self._tail.clear()

    def _say(self, text: str, dropped: int) -> None:
        if text or dropped:
            shown = text.replace("\0", "\\x00")
            self._emit(self._name, shown, partial=not shown.endswith("\n"), dropped=dropped)
