"""Activate: new jobs get this version from now on; jobs that are there keep theirs."""

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.plugins import PluginState, PluginVersion
from tiltyard_orchestrator.storage.plugins.point import newest_ready, point
from tiltyard_orchestrator.storage.plugins.read import NotReady, get_version, lock_plugin


async def activate(session: AsyncSession, plugin: str, version: str) -> PluginVersion | NotReady | None:
    """Point to a version that is ready. The newest is followed again from then on; another one stays until a newer push."""
    locked = await lock_plugin(session, plugin)
    found = None if locked is None else await get_version(session, plugin, version)
    if found is None:
        return None
    if found.state is not PluginState.ready:
        return NotReady(version=version, state=found.state)
    newest = await newest_ready(session, plugin)
    await point(session, plugin, version, chosen=newest is not None and newest.version != version)
    return await get_version(session, plugin, version)
