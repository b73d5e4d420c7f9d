"""Hears from the jobs themselves when they start, beat and end: evidence that passes through no part of the testbed.

Jobs and harness share one clock, the kernel's monotonic one, so that an overlap of two attempts is seen as it was.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from tests.servers import wait_for

FRESH_SECONDS = 0.3
"""A process that beat this lately is running now."""


@dataclass
class Life:
    """One start of a job's code, as its own process told of it."""

    job: str
    epoch: int
    attempt: int
    first: float
    last: float
    ended: bool = False
    strayed: int = 0
    """How often a stray of it was heard since its own process was."""


class Witness:
    """Listens on loopback for what jobs say."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.5)
        self.port = int(self._socket.getsockname()[1])
        self._lives: dict[tuple[str, int], Life] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._thread.join(5)
        self._socket.close()

    def lives(self, job: str | None = None) -> list[Life]:
        """Every start that was heard of, or those of one job, in the order in which they began."""
        found = [life for life in list(self._lives.values()) if job in {None, life.job}]
        return sorted(found, key=lambda life: life.first)

    def beats(self, job: str) -> bool:
        """Whether a process of this job runs now."""
        now = time.monotonic()
        return any(now - life.last < FRESH_SECONDS and not life.ended for life in self.lives(job))

    def next_start(self, jobs: frozenset[str], since: float, *, seconds: float) -> float | None:
        """Wait for all of these jobs to start anew after a time; gives how long after it the last one did."""
        return self._last_of(jobs, since, seconds, self._started_after)

    def first_start(self, jobs: frozenset[str], since: float, *, seconds: float) -> float | None:
        """Wait for all of these jobs to have started at all; gives how long after a time the last one did."""
        return self._last_of(jobs, since, seconds, lambda job, _: self._started_after(job, 0))

    def any_start(self, since: float, *, seconds: float) -> float | None:
        """Wait for any job to start after a time; gives how long after it."""
        return self._last_of({None}, since, seconds, self._started_after)

    def _started_after(self, job: str | None, since: float) -> float | None:
        return next((life.first for life in self.lives(job) if life.first > since), None)

    def _last_of(
        self,
        jobs: Collection[str | None],
        since: float,
        seconds: float,
        started: Callable[[str | None, float], float | None],
    ) -> float | None:
        with suppress(TimeoutError):
            wait_for(lambda: all(started(job, since) for job in jobs), seconds=seconds)
            return max((max(0.0, (started(job, since) or 0) - since) for job in jobs), default=None)
        return None

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                said = json.loads(self._socket.recv(4096))
            except TimeoutError:
                continue
            name = (said["job"], said["epoch"])
            life = self._lives.get(name)
            if life is None:
                life = Life(said["job"], said["epoch"], said["attempt"], said["at"], said["at"])
                self._lives[name] = life
            if said["what"] == "stray":
                life.strayed += 1
                continue
            life.strayed = 0
            life.last = said["at"]
            life.ended = said["what"] == "end"
