"""What a job uses, looked at as often as a look is cheap, and the limit that it passed. It needs the standard library alone.

Processes are counted by the tree that descends from the warden, threads with them, because the kernel's own limits do not hold
everywhere: one of a user's processes does not bind root, and a control group is not to be had in most containers.
"""

import os
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tiltyard_workers.fences.disk import Disk
from tiltyard_workers.fences.processes import descendants, listed, processes

SOONEST_SECONDS = 0.1
REST = 20
"""After a look there is none for so many times as long as it took."""
LEAST_ROOM = 64 << 10
"""Bytes; a /dev/shm with less is full."""


class Usage:
    """Watches one job.

    Args:
        specification: the warden's.
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        self._allowed = specification["allowed"]
        self._namespace = specification["namespace"]
        self._next = 0.0
        self._disk = Disk(specification["places"], self._allowed["scratch"], self._tree)
        self.seen: set[int] = set()
        """Processes of the job; noted where orphans are not given to the warden, while they still descend from the job."""
        self.passed: dict[str, Any] | None = None
        """The limit that the job passed, and what was found."""
        self.shm_full = False
        """Whether its /dev/shm was full at the last look."""
        self.shm_was_full = False
        """Whether it was at any."""
        threading.Thread(target=self._disk.watch, name="disk", daemon=True).start()

    @property
    def rest(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._next - time.monotonic())

    def look(self) -> None:
        """Look, if it is time."""
        if time.monotonic() < self._next:
            return
        # Not what it waits, for the more a job has running, the longer that is; but without /proc, it is others who work.
        clock = time.thread_time if os.path.isdir("/proc/self") else time.monotonic
        began = clock()
        self.look_at_shared_memory()
        count = self._count()
        if count > self._allowed["processes"]:
            self.passed = {"limit": "processes", "found": count}
        else:
            self._judge_disk()
        self._next = time.monotonic() + max(SOONEST_SECONDS, REST * (clock() - began))

    def look_at_shared_memory(self) -> None:
        """Note whether it is full now."""
        if self._namespace:
            with suppress(OSError):
                shm = os.statvfs("/dev/shm")  # noqa: S108 - it is the job's own
                self.shm_full = shm.f_bavail * shm.f_frsize < LEAST_ROOM
                self.shm_was_full |= self.shm_full

    def look_at_last(self) -> None:
        """Look whether a job that has ended had filled the disk since the last look."""
        with suppress(OSError):
            if self._disk.may_be_passed:
                self._disk.look()
        self._judge_disk()

    def _judge_disk(self) -> None:
        if self._disk.is_passed:
            self.passed = {"limit": "scratch", "found": None if self._disk.is_hidden else self._disk.found}

    def _count(self) -> int:
        if self._namespace and (beside_us := len(listed()) - 1) > self._allowed["processes"]:
            return beside_us
        known = processes()
        tree = {*descendants(os.getpid(), *self.seen, known=known), *self.seen}
        if not sys.platform.startswith("linux"):
            self.seen |= tree
        return sum(known[process].threads for process in tree if process in known)

    def _tree(self) -> Iterable[int]:
        return {*descendants(os.getpid(), *self.seen), *self.seen}
