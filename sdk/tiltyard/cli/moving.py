"""One line that moves on a terminal while a bundle is carried: a large one takes minutes, and most of them in silence.

Where nobody watches, nothing is written.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import typer

from tiltyard.cli.show import lasted, on_terminal, size

EVERY_SECONDS = 1.0


class Moving:
    """How far a bundle is, in a line.

    Args:
        before: what is done until its first byte is carried.
        after: what is done when its last one was.
    """

    def __init__(self, *, before: str = "", after: str = "") -> None:
        self._before = before
        self._after = after
        self._began = time.monotonic()
        self._done = 0
        self._total: int | None = None

    def carried(self, done: int, total: int | None) -> None:
        """Take note of how many bytes were carried, of how many."""
        self._done, self._total = done, total

    def __str__(self) -> str:
        """The line."""
        took = lasted(time.monotonic() - self._began)
        if not self._done:
            return f"{self._before}, {took}"
        if self._after and self._done == self._total:
            return f"{self._after}, {took}"
        of = f" of {size(self._total)}" if self._total else ""
        return f"{size(self._done)}{of}, {took}"


class _Shown:
    """Shows a line again and again, from a thread of its own."""

    def __init__(self, line: Moving) -> None:
        self._line = line
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        typer.echo("\r\033[K", nl=False, err=True)

    def _show(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            typer.echo(f"\r\033[K{self._line}", nl=False, err=True)


@contextmanager
def moving(*, before: str = "", after: str = "") -> Iterator[Moving]:
    """Show a line while something goes on, if somebody watches."""
    line = Moving(before=before, after=after)
    if not on_terminal(err=True):
        yield line
        return
    with _Shown(line):
        yield line
