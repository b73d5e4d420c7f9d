"""Pins: which versions a job gets, held until the transaction's end, so that none of them is deleted meanwhile."""

from collections.abc import Mapping

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.plugins import PluginPin, PluginState
from tiltyard_orchestrator.domain.pins import Candidate
from tiltyard_orchestrator.storage.tables import PluginRow, PluginVersionRow

TRIES = 3
"""A version that is deleted while it is waited for is looked for once more: another one is current by then."""


async def hold_versions(session: AsyncSession, wanted: Mapping[str, str | None]) -> dict[str, Candidate]:
    """The version of each plugin that is named, or its current one (None), locked against being deleted.

    Each is read from one row, so that name, version and digest are of one push. What is not there is left out.
    """
    found: dict[str, Candidate] = {}
    for _ in range(TRIES):
        found |= await _held(
            session, {name: version for name, version in wanted.items() if name not in found}
        )
        if len(found) == len(wanted):
            break
    return found


async def _held(session: AsyncSession, wanted: Mapping[str, str | None]) -> dict[str, Candidate]:
    row = PluginVersionRow
    named = [
        and_(
            col(row.plugin) == name,
            col(row.version) == (col(PluginRow.current) if version is None else version),
        )
        for name, version in wanted.items()
    ]
    held = await session.execute(
        select(
            col(row.plugin),
            col(row.version),
            col(row.sha256),
            col(row.state),
            col(row.deprecated),
            col(row.requires),
        )
        .join(PluginRow, col(PluginRow.name) == col(row.plugin))
        .where(or_(*named))
        .order_by(col(row.plugin))
        .with_for_update(of=row, key_share=True, read=True)
    )
    return {
        name: Candidate(
            pin=PluginPin(name=name, version=version, sha256=sha256),
            state=PluginState(state),
            deprecated=deprecated,
            requires=tuple(requires),
        )
        for name, version, sha256, state, deprecated, requires in held
    }


async def known_versions(session: AsyncSession) -> dict[str, dict[str, PluginState]]:
    """Every version of every plugin, the newest first, and how it stands: for saying what was meant."""
    found = await session.execute(
        select(
            col(PluginVersionRow.plugin), col(PluginVersionRow.version), col(PluginVersionRow.state)
        ).order_by(col(PluginVersionRow.number).desc())
    )
    known: dict[str, dict[str, PluginState]] = {}
    for plugin, version, state in found:
        known.setdefault(plugin, {})[version] = PluginState(state)
    return known
