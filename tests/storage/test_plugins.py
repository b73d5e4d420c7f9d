"""Plugins in the tables: what is pushed at once, deleted under a submit, and settled by many."""

import asyncio

import pytest

from tests.storage.conftest import Claim, Submit, new_job
from tiltyard.wire import Finish, JobState, PluginPin, PluginState
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.submit import submit
from tiltyard_orchestrator.storage.plugins.activate import activate
from tiltyard_orchestrator.storage.plugins.delete import Deleted, InUse, delete_plugin, delete_version
from tiltyard_orchestrator.storage.plugins.pins import hold_versions
from tiltyard_orchestrator.storage.plugins.push import NewVersion, Pushed, VersionExists, push
from tiltyard_orchestrator.storage.plugins.read import get_plugin, get_version
from tiltyard_orchestrator.storage.plugins.settle_checks import ended_checks, settle_check


def version(name: str = "1", sha256: str = "a" * 64, plugin: str = "mine") -> NewVersion:
    return NewVersion(
        plugin=plugin, version=name, sha256=sha256, size=1, files=1, description="", requires=[], tasks=[]
    )


async def pushed(database: Database, new: NewVersion, *, checked: bool = False) -> Pushed | VersionExists:
    async with database.transaction() as session:
        return await push(session, new, check=new_job(experiment="plugin-checks") if checked else None)


async def current(database: Database, plugin: str = "mine") -> str | None:
    async with database.transaction() as session:
        found = await get_plugin(session, plugin)
    return found.current if found else None


async def test_a_version_is_written_once_whoever_pushes_it_at_once(database: Database) -> None:
    same = await asyncio.gather(*(pushed(database, version()) for _ in range(8)))
    assert sorted(isinstance(one, Pushed) and one.new for one in same) == [False] * 7 + [True]
    other = await asyncio.gather(*(pushed(database, version("2", str(n) * 64)) for n in range(8)))
    assert len([one for one in other if isinstance(one, VersionExists)]) == 7


async def test_a_version_and_its_check_are_written_together(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    await submitted()
    done = await pushed(database, version(), checked=True)
    assert isinstance(done, Pushed)
    assert (done.version.state, await current(database)) == (PluginState.checking, None)
    async with database.transaction() as session:
        assert await ended_checks(session, limit=10) == []
        assert await settle_check(session, "mine", "1") is None


@pytest.mark.parametrize("state", [JobState.succeeded, JobState.failed])
async def test_a_check_is_settled_once_by_however_many(
    database: Database, submitted: Submit, claimed: Claim, state: JobState
) -> None:
    ended = await submitted()  # its row makes the archive
    held = await claimed(ended.id)
    async with database.transaction() as session:
        await finish(
            session, job=ended.id, epoch=held.epoch, result=Finish(first=0, state=JobState.succeeded),
            backoff=Backoff(first=1),
        )  # fmt: skip
    done = await pushed(database, version(), checked=True)
    assert isinstance(done, Pushed)
    held = await claimed(str(done.version.check))
    assert held.plugins == [PluginPin(name="mine", version="1", sha256="a" * 64)]
    async with database.transaction() as session:
        await finish(
            session,
            job=held.job,
            epoch=held.epoch,
            result=Finish(first=0, state=state),
            backoff=Backoff(first=1),
        )

    async def settle() -> PluginState | None:
        async with database.transaction() as session:
            return await settle_check(session, "mine", "1")

    found = await asyncio.gather(*(settle() for _ in range(6)))
    expected = PluginState.ready if state is JobState.succeeded else PluginState.refused
    assert [one for one in found if one is not None] == [expected]
    assert await current(database) == ("1" if state is JobState.succeeded else None)


async def test_a_choice_stays_until_a_newer_push(database: Database) -> None:
    for name in ("1", "2"):
        await pushed(database, version(name, name * 64))
    async with database.transaction() as session:
        await activate(session, "mine", "1")
    assert await current(database) == "1"
    # The collection's own pushes ask nobody, and move no choice.
    await pushed(database, version("3", "3" * 64))
    assert await current(database) == "1"
    async with database.transaction() as session:
        await activate(session, "mine", "3")
    await pushed(database, version("4", "4" * 64))
    assert await current(database) == "4"


async def test_a_version_that_is_held_is_deleted_after_its_job_is_there(
    database: Database, submitted: Submit
) -> None:
    await submitted()
    await pushed(database, version())
    holding, go_on = asyncio.Event(), asyncio.Event()

    async def take() -> str:
        async with database.transaction() as session:
            held = await hold_versions(session, {"mine": None})
            holding.set()
            await go_on.wait()
            made = await submit(session, new_job(plugins=[held["mine"].pin]))
        assert isinstance(made, tuple)
        return made[0].id

    async def remove() -> object:
        async with database.transaction() as session:
            return await delete_plugin(session, "mine")

    taking = asyncio.create_task(take())
    await holding.wait()
    removing = asyncio.create_task(remove())
    go_on.set()
    assert await removing == InUse(jobs=[await taking])


async def test_who_finds_the_current_version_deleted_gets_the_next_one(database: Database) -> None:
    for name in ("1", "2"):
        await pushed(database, version(name, name * 64))
    deleted, commit = asyncio.Event(), asyncio.Event()

    async def remove() -> None:
        async with database.transaction() as session:
            assert isinstance(await delete_version(session, "mine", "2"), Deleted)
            deleted.set()
            await commit.wait()

    async def take() -> str:
        async with database.transaction() as session:
            return (await hold_versions(session, {"mine": None}))["mine"].pin.version

    removing = asyncio.create_task(remove())
    await deleted.wait()
    taking = asyncio.create_task(take())
    commit.set()
    await removing
    assert await taking == "1"


async def test_the_last_version_takes_its_plugin_along(database: Database) -> None:
    await pushed(database, version())
    async with database.transaction() as session:
        assert await delete_version(session, "mine", "9") is None
        assert await delete_version(session, "mine", "1") == Deleted(digests=["a" * 64])
    async with database.transaction() as session:
        assert await get_plugin(session, "mine") is None
        assert await get_version(session, "mine", "1") is None
