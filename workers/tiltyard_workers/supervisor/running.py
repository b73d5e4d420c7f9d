"""Watches a job's process to its end, or brings the end about."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from tiltyard.wire import Claim, EventKind
from tiltyard_workers.fences.process import Ended, FencedProcess
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.orders import Order, Orders
from tiltyard_workers.supervisor.outbox import Outbox
from tiltyard_workers.supervisor.output import Output

Why = Order | Literal["timed_out", "silent"] | None
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
        ended, why = _until_end(process, Limits(claim, [outbox, *outputs]), settings.grace_seconds, orders)
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


class Voice(Protocol):
    """What tells of a job."""

    @property
    def heard_at(self) -> float:
        """When it last did, by the clock that never goes back."""
        ...


class Limits:
    """When a job has run, or has been silent, for too long."""

    def __init__(self, claim: Claim, voices: Sequence[Voice]) -> None:
        self._voices = voices
        self._began = time.monotonic()
        self._silence = claim.progress_timeout
        self._end = math.inf if claim.timeout is None else time.monotonic() + claim.timeout

    def left(self) -> float:
        """Seconds until the next of them, if nothing is heard until then."""
        return min(self._end, self._silent_until()) - time.monotonic()

    def passed(self) -> Literal["timed_out", "silent"] | None:
        """The one that was passed, if any."""
        now = time.monotonic()
        return "timed_out" if now >= self._end else "silent" if now >= self._silent_until() else None

    def _silent_until(self) -> float:
        if self._silence is None:
            return math.inf
        return max(self._began, *(voice.heard_at for voice in self._voices)) + self._silence


def _until_end(process: FencedProcess, limits: Limits, grace: float, orders: Orders) -> tuple[Ended, Why]:
    why: Why = None
    ends_at = math.inf
    while True:
        left = limits.left() if why is None else ends_at - time.monotonic()
        news: Why | Ended = orders.next(None if left == math.inf else max(0.0, left))
        if isinstance(news, Ended):
            return news, why
        if news is None and why is not None:  # the grace is over
            process.end()
            ends_at = math.inf
        elif news in {"superseded", "hand_back"}:
            why, ends_at = news, math.inf
            process.end()
        elif why is None and (why := news or limits.passed()) is not None:
            ends_at = time.monotonic() + grace
            process.ask_to_end()
