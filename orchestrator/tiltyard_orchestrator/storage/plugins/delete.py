"""Delete: a version, or a plugin with all of its versions, that no job needs which has not ended.

A submit holds the row of each version that it pins until its commit, so that it has its version, or learns that it is gone.
"""

from dataclasses import dataclass

from sqlalchemy import delete, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.plugins.point import newest_ready, point
from tiltyard_orchestrator.storage.plugins.read import lock_plugin
from tiltyard_orchestrator.storage.tables import JobRow, PluginRow, PluginVersionRow

MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class InUse:
    """Jobs that have not ended need it; of many, some."""

    jobs: list[str]


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """It is gone; the store may have these bytes still, by digest."""

    digests: list[str]


async def delete_version(session: AsyncSession, plugin: str, version: str) -> Deleted | InUse | None:
    """Remove one version. Where it was the current one, the newest of the others is."""
    locked = await lock_plugin(session, plugin)
    if locked is None:
        return None
    gone = await _delete(session, plugin, version)
    if not isinstance(gone, Deleted) or not gone.digests:
        return gone if isinstance(gone, InUse) else None
    left = await session.scalar(
        select(col(PluginVersionRow.version)).where(col(PluginVersionRow.plugin) == plugin).limit(1)
    )
    if left is None:
        await session.execute(delete(PluginRow).where(col(PluginRow.name) == plugin))
    elif locked.current == version:
        newest = await newest_ready(session, plugin)
        await point(session, plugin, newest.version if newest else None, chosen=False)
    return gone


async def delete_plugin(session: AsyncSession, plugin: str) -> Deleted | InUse | None:
    """Remove a plugin."""
    if await lock_plugin(session, plugin) is None:
        return None
    gone = await _delete(session, plugin, None)
    if isinstance(gone, Deleted):
        await session.execute(delete(PluginRow).where(col(PluginRow.name) == plugin))
    return gone


async def _delete(session: AsyncSession, plugin: str, version: str | None) -> Deleted | InUse:
    meant = col(PluginVersionRow.plugin) == plugin
    if version is not None:
        meant &= col(PluginVersionRow.version) == version
    # Held against every submit that would pin one of them: it waits, and then finds it gone.
    found = await session.execute(
        select(col(PluginVersionRow.version), col(PluginVersionRow.sha256))
        .where(meant)
        .order_by(col(PluginVersionRow.version))
        .with_for_update()
    )
    digests = {version: sha256 for version, sha256 in found}  # noqa: C416 - rows are no pairs to mypy
    if jobs := await _needing(session, plugin, list(digests)):
        return InUse(jobs=jobs)
    await session.execute(delete(PluginVersionRow).where(meant).execution_options(synchronize_session=False))
    return Deleted(digests=sorted(set(digests.values())))


async def _needing(session: AsyncSession, plugin: str, versions: list[str]) -> list[str]:
    pinned = [col(JobRow.plugins).contains([{"name": plugin, "version": version}]) for version in versions]
    if not pinned:
        return []
    found = await session.scalars(
        select(col(JobRow.id))
        .where(col(JobRow.finished_at).is_(None), col(JobRow.plugins) != literal([], JSONB), or_(*pinned))
        .order_by(col(JobRow.created_at))
        .limit(MOST_NAMED)
    )
    return list(found)
