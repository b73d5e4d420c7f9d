"""The way from ordinary code to coroutines: one event loop on a thread of its own.

The sync client has no logic to keep in step with the async one; all of it goes through here.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Item = TypeVar("Item")

_LONGEST_FAREWELL = 5.0


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if thread.is_alive():
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
    loop.close()


class Portal:
    """Runs coroutines for threads that have no event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tiltyard-client", daemon=True)
        self._process = os.getpid()
        self._thread.start()
        self.close = weakref.finalize(self, _stop, self._loop, self._thread)

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine to its end; an interruption here cancels it there."""
        if os.getpid() != self._process or not self.close.alive:
            work.close()
            raise RuntimeError("this client was closed, or made in another process; make one here")
        settled = threading.Event()

        async def settle() -> Answer:
            try:
                return await work
            finally:
                settled.set()

        future = asyncio.run_coroutine_threadsafe(settle(), self._loop)
        try:
            return future.result()
        except BaseException:
            # What comes next may use what this still holds: an iterator cannot be closed while it is being awaited.
            if future.cancel():
                settled.wait(_LONGEST_FAREWELL)
            raise

    def iterate(self, source: AsyncIterator[Item]) -> Iterator[Item]:
        """The items of an async iterator, each awaited when it is asked for; leaving early closes it."""

        async def step() -> Item:
            return await anext(source)

        try:
            while True:
                try:
                    item = self.run(step())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if isinstance(source, AsyncGenerator) and self.close.alive:
                self.run(source.aclose())
