"""Environments: what jobs ran in, kept once under the digest of its canonical JSON, however many workers say it."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.canonical import digest_of
from tiltyard.wire.environments import Environment
from tiltyard_orchestrator.storage.tables import EnvironmentRow


async def put_environment(session: AsyncSession, environment: Environment) -> str:
    """Keep an environment; gives its digest."""
    digest = digest_of(environment)
    await session.execute(
        insert(EnvironmentRow)
        .values(sha256=digest, data=environment.model_dump(mode="json"))
        .on_conflict_do_nothing(index_elements=["sha256"])
    )
    return digest


async def read_environments(session: AsyncSession, digests: Collection[str]) -> dict[str, Environment]:
    """Some environments by their digests; one that is not here is left out."""
    if not digests:
        return {}
    rows = await session.scalars(select(EnvironmentRow).where(col(EnvironmentRow.sha256).in_(digests)))
    return {row.sha256: Environment.model_validate(row.data) for row in rows}
