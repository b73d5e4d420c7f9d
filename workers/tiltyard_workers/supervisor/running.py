"""Watches a job's process to its end, or brings the end about."""

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from tiltyard.wire import Claim, EventKind
from tiltyard_workers.fences.process import Ended, FencedProcess
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.orders import Order, Orders
from tiltyard_workers.supervisor.outbox import Outbox
from tiltyard_workers.supervisor.output import Output

Why = Order | Literal["timed_out"] | None
LAST_OUTPUT_SECONDS = 10.0


def watch(
    process: FencedProcess, claim: Claim, settings: WorkerSettings, orders: Orders, outbox: Outbox
) -> tuple[Ended, Why]:
    """Wait until nothing is left of a job.

    Returns:
        How it ended, and what we ended it for, if we did.
    """
    outputs = _read(process, settings, outbox)
    waiting = threading.Thread(target=lambda: orders.give(process.wait()), name="wait-for-job", daemon=True)
    waiting.start()
    try:
        ended, why = _until_end(process, claim.timeout, settings.grace_seconds, orders)
    finally:
        process.end()
        waiting.join()
    for output in outputs:
        output.finish(LAST_OUTPUT_SECONDS)
    return ended, why


def print_to(outbox: Outbox) -> Callable[..., None]:
    """A place for text that a job prints, and that we say of it."""

    def emit(stream: str, text: str, *, partial: bool = False, dropped: int = 0) -> None:
        data: dict[str, Any] = {"stream": stream, "text": text}
        outbox.add(
            EventKind.log,
            **data,
            **({"partial": True} if partial else {}),
            **({"dropped": dropped} if dropped else {}),
        )

    return emit


def _read(process: FencedProcess, settings: WorkerSettings, outbox: Outbox) -> list[Output]:
    outputs = [
        Output(name, pipe, print_to(outbox), has_room=outbox.has_room, limit=settings.log_bytes // 2)
        for name, pipe in process.outputs.items()
    ]
    for output in outputs:
        output.start()
    return outputs


def _until_end(
    process: FencedProcess, timeout: float | None, grace: float, orders: Orders
) -> tuple[Ended, Why]:
    why: Why = None
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        news: Why | Ended = orders.next(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if isinstance(news, Ended):
            return news, why
        if news is None and why is not None:  # the grace is over
            process.end()
            deadline = None
        elif news in {"superseded", "hand_back"}:
            why, deadline = news, None
            process.end()
        elif why is None:
            why, deadline = news or "timed_out", time.monotonic() + grace
            process.ask_to_end()
