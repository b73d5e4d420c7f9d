"""Push: a version is written once, with the job that is to load it. The same files again are the same version.

A version that was refused was never published: it may be pushed once more, with the same files or with better ones.
"""

from dataclasses import dataclass, field, replace

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.plugins import PluginPin, PluginState, PluginVersion, Task
from tiltyard_orchestrator.storage.jobs.submit import NewJob, submit
from tiltyard_orchestrator.storage.plugins.point import follow_newest
from tiltyard_orchestrator.storage.plugins.read import get_version, lock_plugin
from tiltyard_orchestrator.storage.tables import PluginRow, PluginVersionRow

TRIES = 5
"""A plugin may be deleted in the moment in which a version is pushed; it is made anew then."""


@dataclass(frozen=True, kw_only=True)
class NewVersion:
    """What was read of a version whose bytes are in the store."""

    plugin: str
    version: str
    sha256: str
    size: int
    files: int
    description: str
    requires: list[str]
    tasks: list[Task]
    artifact_types: list[str] = field(default_factory=list)

    @property
    def pin(self) -> PluginPin:
        """What the job that loads it is given."""
        return PluginPin(name=self.plugin, version=self.version, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A version as it stands after a push, and whether that changed anything."""

    version: PluginVersion
    new: bool
    began: bool
    """Whether a check of it was submitted now."""


@dataclass(frozen=True, kw_only=True)
class VersionExists:
    """The version is there with other files."""

    sha256: str


async def push(
    session: AsyncSession, new: NewVersion, *, check: NewJob | None, behind: bool = False
) -> Pushed | VersionExists:
    """Write a version.

    Args:
        session: the transaction.
        new: the version.
        check: the job that loads it; None for one that is ready without: the testbed's own.
        behind: it counts as older than every version that is here: one that came with a bundle is not news.
    """
    plugin = await _plugin(session, new.plugin)
    before = await session.get(PluginVersionRow, (new.plugin, new.version), populate_existing=True)
    refused = before is not None and before.state == PluginState.refused
    if before is not None and not refused:
        if before.sha256 != new.sha256:
            return VersionExists(sha256=before.sha256)
        return Pushed(version=await _written(session, new), new=False, began=False)
    job = None if check is None else await _submit(session, new, check)
    await _write(session, new, job, behind=behind)
    if job is None:
        await follow_newest(session, plugin, of_its_own=True)
    again = before is not None and before.sha256 == new.sha256
    return Pushed(version=await _written(session, new), new=not again, began=job is not None)


async def _plugin(session: AsyncSession, name: str) -> PluginRow:
    for _ in range(TRIES):
        await session.execute(
            insert(PluginRow).values(name=name).on_conflict_do_nothing(index_elements=["name"])
        )
        if found := await lock_plugin(session, name):
            return found
    raise TimeoutError(f"the plugin {name} is deleted again and again")


async def _submit(session: AsyncSession, new: NewVersion, check: NewJob) -> str:
    made = await submit(session, replace(check, plugins=[new.pin]))
    assert isinstance(made, tuple), "it has no idempotency key"
    return made[0].id


async def _write(session: AsyncSession, new: NewVersion, job: str | None, *, behind: bool) -> None:
    number = col(PluginVersionRow.number)
    place = func.coalesce(func.min(number), 1) - 1 if behind else func.coalesce(func.max(number), 0) + 1
    values = {
        "number": select(place).where(col(PluginVersionRow.plugin) == new.plugin).scalar_subquery(),
        "sha256": new.sha256,
        "size": new.size,
        "files": new.files,
        "state": (PluginState.ready if job is None else PluginState.checking).value,
        "deprecated": None,
        "problem": None,
        "check_job": job,
        "description": new.description,
        "requires": new.requires,
        "tasks": [task.model_dump(mode="json") for task in new.tasks],
        "artifact_types": new.artifact_types,
        "created_at": func.now(),
    }
    await session.execute(
        insert(PluginVersionRow)
        .values(plugin=new.plugin, version=new.version, **values)
        .on_conflict_do_update(index_elements=["plugin", "version"], set_=values)
    )


async def _written(session: AsyncSession, new: NewVersion) -> PluginVersion:
    found = await get_version(session, new.plugin, new.version)
    assert found is not None, "it was there or was written above"
    return found
