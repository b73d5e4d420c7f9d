"""Whom a token stands for. What the database said is remembered for two seconds, so that a revoked token is refused soon.

A token is looked up by its hash: how long that takes says nothing of the tokens there are.
"""

import asyncio

from tiltyard_orchestrator.storage.access import tokens
from tiltyard_orchestrator.storage.access.tokens import Bearer
from tiltyard_orchestrator.storage.database import Database

REMEMBER_SECONDS = 2.0
MOST_REMEMBERED = 1_000


class Guests:
    """Knows who may come in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[str, tuple[float, Bearer]] = {}
        self._good: frozenset[str] = frozenset()
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def identify(self, token: str) -> Bearer | None:
        """Whom a token stands for; None when it is unknown or revoked."""
        now = asyncio.get_running_loop().time()
        fingerprint = tokens.fingerprint(token)
        until, remembered = self._remembered.get(fingerprint, (now, None))
        if until > now:
            return remembered
        async with self._database.transaction() as session:
            bearer = await tokens.find_bearer(session, fingerprint)
        self._remembered.pop(fingerprint, None)
        if bearer is not None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[fingerprint] = (now + REMEMBER_SECONDS, bearer)
        return bearer

    async def redeem(self, ticket: str) -> Bearer | None:
        """Whom a ticket stands for, once."""
        async with self._database.transaction() as session:
            return await tokens.redeem_ticket(session, ticket)

    async def may_stay(self, bearer: Bearer) -> bool:
        """Whether the token of somebody who was let in is still good; many ask, and one look answers them all."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at > REMEMBER_SECONDS:
                async with self._database.transaction() as session:
                    rows = await tokens.list_tokens(session)
                self._good = frozenset(row.id for row in rows if row.revoked_at is None)
                self._looked_at = now
        return bearer.id in self._good
