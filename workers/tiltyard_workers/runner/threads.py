"""A step with a time-out, in a thread that can be left behind.

Python ends no thread that is inside a library's code, and an attack spends its life there. So the step is given up when its
time is over, and tells so at once; its thread goes on for as long as it likes, and nothing that it gives is taken any more.
A process with such a thread left is ended without waiting for it.
"""

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

_PREFIX = "given-a-time-"


async def in_thread(name: str, function: Callable[[], Result]) -> Result:
    """Call a function in a thread of its own; cancelled, it is left to itself."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not ended.done():
            settled()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failure = error
            tell = lambda: ended.set_exception(failure)  # noqa: E731
        else:
            tell = lambda: ended.set_result(result)  # noqa: E731
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle, tell)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name=f"{_PREFIX}{name}", daemon=True).start()
    return await ended


def leave(code: int) -> None:
    """End the process with this code, at once if a thread was left behind."""
    if any(thread.name.startswith(_PREFIX) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
