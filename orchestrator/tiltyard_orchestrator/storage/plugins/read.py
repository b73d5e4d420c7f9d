"""Plugins and their versions, read. The bytes are in the store, under `plugins/{sha256}`, before a version is written."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col

from tiltyard.wire.model import Page
from tiltyard.wire.plugins import Plugin, PluginState, PluginVersion, Task
from tiltyard_orchestrator.storage.cursor import decode_name, encode
from tiltyard_orchestrator.storage.tables import PluginRow, PluginVersionRow


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a version has for graphs and scripts."""

    tasks: list[Task] = field(default_factory=list)
    artifact_types: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class NotReady:
    """A version that is being checked, or was refused, is for no job."""

    version: str
    state: PluginState


def plugin_key(sha256: str) -> str:
    """Where the store keeps a version's files."""
    return f"plugins/{sha256}"


async def lock_plugin(session: AsyncSession, name: str) -> PluginRow | None:
    """Take a plugin's row lock: whoever writes a version or moves the pointer takes turns."""
    found = await session.scalars(
        select(PluginRow)
        .where(col(PluginRow.name) == name)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.one_or_none()


async def get_plugin(session: AsyncSession, name: str) -> Plugin | None:
    """One plugin."""
    found = await _read(session, col(PluginRow.name) == name, limit=1)
    return found[0] if found else None


async def list_plugins(session: AsyncSession, *, cursor: str | None, limit: int) -> Page[Plugin]:
    """One page of plugins, by name.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    behind = () if cursor is None else (col(PluginRow.name) > decode_name(cursor),)
    found = await _read(session, *behind, limit=limit + 1)
    more = len(found) > limit
    return Page(items=found[:limit], next=encode(found[limit - 1].name) if more else None)


async def get_version(session: AsyncSession, plugin: str, version: str) -> PluginVersion | None:
    """One version, with its tasks."""
    query = select(PluginVersionRow, col(PluginRow.current)).join(
        PluginRow, col(PluginRow.name) == col(PluginVersionRow.plugin)
    )
    query = query.where(col(PluginVersionRow.plugin) == plugin, col(PluginVersionRow.version) == version)
    found = (await session.execute(query.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        return None
    row, current = found
    return as_version(row, current, [Task.model_validate(task) for task in row.tasks])


async def list_versions(
    session: AsyncSession, plugin: str, *, cursor: str | None, limit: int
) -> Page[PluginVersion]:
    """One page of a plugin's versions, the newest first, without their tasks.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    query = (
        select(PluginVersionRow, col(PluginRow.current))
        .join(PluginRow, col(PluginRow.name) == col(PluginVersionRow.plugin))
        .where(col(PluginVersionRow.plugin) == plugin)
        .options(defer(PluginVersionRow.tasks, raiseload=True))  # type: ignore[arg-type]
        .order_by(col(PluginVersionRow.number).desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        place = (
            select(col(PluginVersionRow.number))
            .where(col(PluginVersionRow.plugin) == plugin)
            .where(col(PluginVersionRow.version) == decode_name(cursor))
        )
        query = query.where(col(PluginVersionRow.number) < place.scalar_subquery())
    found = (await session.execute(query)).all()
    items = [as_version(row, current, []) for row, current in found[:limit]]
    return Page(items=items, next=encode(items[-1].version) if len(found) > limit else None)


async def current_versions(session: AsyncSession, plugin: str | None = None) -> list[tuple[str, str, str]]:
    """Name, version and digest of every plugin's current version, or of one plugin's."""
    query = select(
        col(PluginVersionRow.plugin), col(PluginVersionRow.version), col(PluginVersionRow.sha256)
    ).join(PluginRow, _is_current())
    if plugin is not None:
        query = query.where(col(PluginRow.name) == plugin)
    found = await session.execute(query.order_by(col(PluginVersionRow.plugin)))
    return [(name, version, sha256) for name, version, sha256 in found]


async def read_offers(session: AsyncSession, versions: list[tuple[str, str]]) -> dict[tuple[str, str], Offer]:
    """What versions offer, each named by plugin and version."""
    if not versions:
        return {}
    place = tuple_(col(PluginVersionRow.plugin), col(PluginVersionRow.version))
    found = await session.execute(
        select(
            col(PluginVersionRow.plugin),
            col(PluginVersionRow.version),
            col(PluginVersionRow.tasks),
            col(PluginVersionRow.artifact_types),
        ).where(place.in_(versions))
    )
    return {
        (plugin, version): Offer(tasks=[Task.model_validate(task) for task in tasks], artifact_types=types)
        for plugin, version, tasks, types in found
    }


async def requirements(
    session: AsyncSession, versions: list[tuple[str, str]]
) -> dict[tuple[str, str], list[str]]:
    """What versions require of an image, each named by plugin and version."""
    place = tuple_(col(PluginVersionRow.plugin), col(PluginVersionRow.version))
    found = await session.execute(
        select(
            col(PluginVersionRow.plugin), col(PluginVersionRow.version), col(PluginVersionRow.requires)
        ).where(place.in_(versions))
    )
    return {(plugin, version): requires for plugin, version, requires in found}


async def is_named(session: AsyncSession, sha256: str) -> bool:
    """Whether any version has these bytes."""
    query = select(col(PluginVersionRow.plugin)).where(col(PluginVersionRow.sha256) == sha256).limit(1)
    return await session.scalar(query) is not None


def as_version(row: PluginVersionRow, current: str | None, tasks: list[Task]) -> PluginVersion:
    """A row as callers see it."""
    return PluginVersion(
        plugin=row.plugin,
        version=row.version,
        sha256=row.sha256,
        size=row.size,
        files=row.files,
        state=PluginState(row.state),
        current=row.version == current,
        deprecated=row.deprecated,
        problem=row.problem,
        check=row.check_job,
        description=row.description,
        requires=row.requires,
        tasks=tasks,
        artifact_types=row.artifact_types,
        created_at=row.created_at,
    )


def _is_current() -> ColumnElement[bool]:
    return (col(PluginVersionRow.plugin) == col(PluginRow.name)) & (
        col(PluginVersionRow.version) == col(PluginRow.current)
    )


async def _read(session: AsyncSession, *conditions: ColumnElement[bool], limit: int) -> list[Plugin]:
    versions = (
        select(func.count())
        .select_from(PluginVersionRow)
        .where(col(PluginVersionRow.plugin) == col(PluginRow.name))
        .correlate(PluginRow)
        .scalar_subquery()
    )
    tasks = func.coalesce(func.jsonb_array_length(col(PluginVersionRow.tasks)), 0)
    description = func.coalesce(col(PluginVersionRow.description), "")
    query = select(PluginRow, versions, tasks, description).outerjoin(PluginVersionRow, _is_current())
    found = await session.execute(
        query.where(*conditions)
        .order_by(col(PluginRow.name))
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return [
        Plugin(
            name=row.name,
            current=row.current,
            description=said,
            versions=count,
            tasks=number,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row, count, number, said in found
    ]
