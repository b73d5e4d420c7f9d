"""Deprecate: say that a version is not to be used any more. Jobs that name it still run, and are warned."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.plugins import PluginVersion
from tiltyard_orchestrator.storage.plugins.read import get_version
from tiltyard_orchestrator.storage.tables import PluginVersionRow


async def deprecate(
    session: AsyncSession, plugin: str, version: str, why: str | None
) -> PluginVersion | None:
    """Say why a version is deprecated, or (None) that it is not."""
    await session.execute(
        update(PluginVersionRow)
        .where(col(PluginVersionRow.plugin) == plugin, col(PluginVersionRow.version) == version)
        .values(deprecated=why)
        .execution_options(synchronize_session=False)
    )
    return await get_version(session, plugin, version)
