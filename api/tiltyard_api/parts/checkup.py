"""Looks whether the gateway's parts answer. Whoever asks within a second is told the same: `/health` needs no token."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.storage.database import Database

REMEMBER_SECONDS = 1.0
ANSWER_WITHIN_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Which parts answered."""

    database: bool
    broker: bool
    store: bool
    room: bool
    """Whether there is room in the store."""


class Checkup:
    """Asks the parts."""

    def __init__(self, database: Database, publisher: Publisher, store: Store) -> None:
        self._database = database
        self._publisher = publisher
        self._store = store
        self._looking = asyncio.Lock()
        self._last: Answers | None = None
        self._at = float("-inf")

    async def look(self) -> Answers:
        """Which parts answer now."""
        async with self._looking:
            clock = asyncio.get_running_loop().time
            if self._last is None or clock() - self._at > REMEMBER_SECONDS:
                self._last = await self._ask()
                self._at = clock()
            return self._last

    async def _ask(self) -> Answers:
        store = self._store
        asked = (self._database.ready(), self._publisher.ready(), store.ready(), store.has_room())
        database, broker, ready, room = await asyncio.gather(*map(_in_time, asked))
        return Answers(database=database, broker=broker, store=ready, room=room)


async def _in_time(asked: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            return await asked
    except Exception:  # noqa: BLE001 - however it fails, it is not ready
        return False
