"""Choosing: the versions of plugins that wishes come to, held until the transaction's end."""

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import PluginState
from tiltyard_orchestrator.domain.pins import Chosen, Wish, choose
from tiltyard_orchestrator.storage.plugins.pins import hold_versions, known_versions


async def chosen_versions(session: AsyncSession, wanted: dict[str, Wish]) -> Chosen:
    """Find and hold what is wished for; say of the rest why it cannot be had."""
    if not wanted:
        return Chosen()
    found = await hold_versions(session, {name: wish.version for name, wish in wanted.items()})
    there = all(
        name in found
        and found[name].state is PluginState.ready
        and wish.sha256 in {None, found[name].pin.sha256}
        for name, wish in wanted.items()
    )
    return choose(wanted, found, {} if there else await known_versions(session))
