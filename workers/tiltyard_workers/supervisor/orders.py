"""What reaches an attempt from outside while it runs: that it is to end, to give its job back, or to forget it."""

import time
from queue import Empty, SimpleQueue
from typing import Literal

from tiltyard_workers.fences.process import Ended
from tiltyard_workers.gateway import Superseded

Order = Literal["cancel", "superseded", "hand_back"]


class HandedBack(Exception):
    """The worker was told to stop now: the job goes back to its queue."""


class Cancelled(Exception):
    """A caller asked for the job's end before it had begun."""


class Orders:
    """Orders and the job's own end, in the order they came. May be given to from a signal handler."""

    def __init__(self) -> None:
        self._news: SimpleQueue[Order | Ended] = SimpleQueue()

    def give(self, news: Order | Ended) -> None:
        """Add one."""
        self._news.put(news)

    def next(self, seconds: float | None) -> Order | Ended | None:
        """Wait for the next; None when there is none in time."""
        try:
            return self._news.get(timeout=seconds)
        except Empty:
            return None

    def pause(self, seconds: float, *, cancellable: bool = False) -> None:
        """Wait while no job runs, unless an order ends the attempt.

        Raises:
            Superseded: the job is not this attempt's any more.
            HandedBack: the worker is to stop now.
            Cancelled: a caller asked for the end, and nothing has begun; later it is too late to.
        """
        until = time.monotonic() + seconds
        while True:
            match self.next(max(0.0, until - time.monotonic())):
                case "superseded":
                    raise Superseded
                case "hand_back":
                    raise HandedBack
                case "cancel" if cancellable:
                    raise Cancelled
            if time.monotonic() >= until:
                return
