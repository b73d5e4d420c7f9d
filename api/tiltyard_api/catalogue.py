"""What a submission is checked against, remembered where it cannot change: archives, and the queues that there are.

An archive is its digest, and no queue is ever removed. What is not remembered is asked for, every time; but how the queues
stand, of which a submission is only warned, is asked for every few seconds.
"""

import time

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Archive
from tiltyard_orchestrator.storage.archives import get_archive
from tiltyard_orchestrator.storage.pending import QueueStanding, queue_standings
from tiltyard_orchestrator.storage.queues import queue_names

MOST_ARCHIVES = 500
STANDINGS_SECONDS = 2.0


class Catalogue:
    """Archives and queues, as this gateway has met them."""

    def __init__(self) -> None:
        self._archives: dict[str, Archive] = {}
        self._queues: frozenset[str] = frozenset()
        self._standings: dict[str, QueueStanding] = {}
        self._standings_until = float("-inf")

    async def archive(self, session: AsyncSession, sha256: str) -> Archive | None:
        """An archive by its digest."""
        if found := self._archives.get(sha256):
            return found
        found = await get_archive(session, sha256)
        if found is not None:
            if len(self._archives) >= MOST_ARCHIVES:
                self._archives.clear()
            self._archives[sha256] = found
        return found

    async def queues(self, session: AsyncSession, wanted: str) -> frozenset[str]:
        """The names of the queues; `wanted` is in them if there is such a queue."""
        if wanted not in self._queues:
            self._queues = frozenset(await queue_names(session))
        return self._queues

    async def standings(self, session: AsyncSession, *, lost_after: float) -> dict[str, QueueStanding]:
        """How the queues stand, or stood a moment ago."""
        if time.monotonic() > self._standings_until:
            self._standings = await queue_standings(session, lost_after=lost_after)
            self._standings_until = time.monotonic() + STANDINGS_SECONDS
        return self._standings
