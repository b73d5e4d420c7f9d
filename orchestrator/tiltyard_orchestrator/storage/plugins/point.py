"""The pointer: which version of a plugin new jobs get. It follows the newest that is ready, until somebody chooses another.

Every function here is called under the plugin's row lock.
"""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.plugins import PluginState
from tiltyard_orchestrator.storage.tables import PluginRow, PluginVersionRow


async def newest_ready(session: AsyncSession, plugin: str) -> PluginVersionRow | None:
    """The version that was pushed last of those that are ready; a deprecated one only where there is no other."""
    found = await session.scalars(
        select(PluginVersionRow)
        .where(col(PluginVersionRow.plugin) == plugin, col(PluginVersionRow.state) == PluginState.ready.value)
        .order_by(col(PluginVersionRow.deprecated).is_not(None), col(PluginVersionRow.number).desc())
        .limit(1)
    )
    return found.one_or_none()


async def follow_newest(session: AsyncSession, plugin: PluginRow, *, of_its_own: bool = False) -> None:
    """Point to the newest version that is ready, unless somebody chose another one since it was pushed.

    Args:
        session: the transaction that holds the plugin's row lock.
        plugin: the locked row.
        of_its_own: nobody asked for the new version: any choice that was made stays.
    """
    newest = await newest_ready(session, plugin.name)
    if newest is None or newest.version == plugin.current:
        return
    chosen = plugin.chosen_at is not None and (of_its_own or plugin.chosen_at >= newest.created_at)
    if chosen and plugin.current is not None:
        return
    await point(session, plugin.name, newest.version, chosen=False)


async def point(session: AsyncSession, plugin: str, version: str | None, *, chosen: bool) -> None:
    """Point to a version, by somebody's choice or as the newest."""
    moment: datetime | object | None = func.now() if chosen else None
    await session.execute(
        update(PluginRow)
        .where(col(PluginRow.name) == plugin)
        .values(current=version, chosen_at=moment, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )
