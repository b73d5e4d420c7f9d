"""Secrets that all gateways of a testbed share: random, made once, and of no use outside."""

import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.tables import SecretRow


async def shared_secret(session: AsyncSession, name: str) -> bytes:
    """The secret of a name; whoever asks first makes it."""
    query = select(col(SecretRow.value)).where(col(SecretRow.name) == name)
    found = await session.scalar(query)
    if found is None:
        made = insert(SecretRow).values(name=name, value=secrets.token_hex(32))
        await session.execute(made.on_conflict_do_nothing(index_elements=["name"]))
        found = await session.scalar(query)
    assert found is not None, "it was there, or was written above"
    return bytes.fromhex(found)
