"""Waits for a job's process on a thread of its own, so that its end arrives where all other news does."""

import threading
from queue import SimpleQueue
from typing import Any

from tiltyard_workers.fences.process import FencedProcess


class Waiting(threading.Thread):
    """Puts how a process ended into a queue.

    Args:
        process: the job's process.
        news: where its end is told.
    """

    def __init__(self, process: FencedProcess, news: SimpleQueue[Any]) -> None:
        super().__init__(name="wait-for-job", daemon=True)
        self._process = process
        self._news = news

    def run(self) -> None:
        """Wait, and tell."""
        self._news.put(self._process.wait())
