"""What a submission is checked against, remembered where it cannot change: archives, queues, and the tasks of versions.

An archive is its digest, and no queue is ever removed. What is not remembered is asked for, every time; but how the queues
stand, of which a submission is only warned, is asked for every few seconds. So is what their workers can import; nothing is
refused for that without asking again.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Archive, PluginPin
from tiltyard_orchestrator.domain.images import Image
from tiltyard_orchestrator.storage.archives import get_archive
from tiltyard_orchestrator.storage.jobs.pending import QueueStanding, queue_standings
from tiltyard_orchestrator.storage.plugins.images import live_images
from tiltyard_orchestrator.storage.plugins.read import Offer, read_offers
from tiltyard_orchestrator.storage.queues import queue_names

MOST_ARCHIVES = 500
MOST_VERSIONS = 200
STANDINGS_SECONDS = 2.0


class Catalogue:
    """Archives, queues and tasks, as this gateway has met them."""

    def __init__(self) -> None:
        self._archives: dict[str, Archive] = {}
        self._queues: frozenset[str] = frozenset()
        self._standings: dict[str, QueueStanding] = {}
        self._standings_until = float("-inf")
        self._images: dict[str, list[Image]] = {}
        self._images_until = float("-inf")
        self._offers: dict[PluginPin, Offer] = {}

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

    async def images(
        self, session: AsyncSession, *, lost_after: float, anew: bool = False
    ) -> Mapping[str, Sequence[Image]]:
        """What each queue's live workers can import, or could a moment ago."""
        if anew or time.monotonic() > self._images_until:
            self._images = await live_images(session, lost_after=lost_after)
            self._images_until = time.monotonic() + STANDINGS_SECONDS
        return self._images

    def forget_images(self) -> None:
        """Ask for what workers can import the next time: one has just said it."""
        self._images_until = float("-inf")

    async def offers(self, session: AsyncSession, pins: Iterable[PluginPin]) -> dict[PluginPin, Offer]:
        """What versions offer."""
        wanted = list(pins)
        new = [pin for pin in wanted if pin not in self._offers]
        found = await read_offers(session, [(pin.name, pin.version) for pin in new])
        if len(self._offers) + len(new) > MOST_VERSIONS:
            self._offers = {pin: self._offers[pin] for pin in wanted if pin in self._offers}
        self._offers |= {pin: found.get((pin.name, pin.version), Offer()) for pin in new}
        return {pin: self._offers[pin] for pin in wanted}
