"""What MLflow was told of experiments, written down by several gateways at once."""

from tiltyard.wire import ExperimentDraft, ExperimentPatch
from tiltyard_orchestrator.storage import experiments, tracked_experiments
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.tracked_experiments import TrackedExperiment


async def made(database: Database, name: str) -> TrackedExperiment:
    async with database.transaction() as session:
        await experiments.create_experiment(session, ExperimentDraft(name=name))
    return await read(database, name)


async def read(database: Database, name: str) -> TrackedExperiment:
    async with database.transaction() as session:
        found = await tracked_experiments.find_tracked(session, name=name)
    assert found is not None
    return found


async def told(database: Database, before: TrackedExperiment, mlflow_id: str) -> None:
    async with database.transaction() as session:
        await tracked_experiments.note_told(session, before, mlflow_id)


async def untold(database: Database) -> list[str]:
    async with database.transaction() as session:
        return [one.name for one in await tracked_experiments.find_untold(session)]


async def removals(database: Database) -> list[str]:
    async with database.transaction() as session:
        return await tracked_experiments.find_removals(session)


async def rename(database: Database, name: str, new: str) -> None:
    async with database.transaction() as session:
        await experiments.patch_experiment(session, name, ExperimentPatch(name=new))


async def delete(database: Database, name: str) -> None:
    async with database.transaction() as session:
        await experiments.delete_experiment(session, name)


async def test_what_was_told_is_not_told_again_until_the_name_changes(database: Database) -> None:
    before = await made(database, "a")
    assert await untold(database) == ["a"]
    await told(database, before, "7")
    assert await untold(database) == []
    await rename(database, "a", "b")
    assert await untold(database) == ["b"]


async def test_a_name_that_two_gateways_told_at_once_counts_as_not_known(database: Database) -> None:
    await told(database, await made(database, "a"), "7")
    await rename(database, "a", "b")
    slow = await read(database, "b")
    await rename(database, "b", "c")
    quick = await read(database, "c")
    await told(database, quick, "7")
    assert await untold(database) == []
    await told(database, slow, "7")
    assert await untold(database) == ["c"], "nobody knows whose word was the last"


async def test_one_that_went_while_it_was_told_is_removed_there_too(database: Database) -> None:
    before = await made(database, "a")
    await delete(database, "a")
    await told(database, before, "7")
    assert await removals(database) == ["7"]


async def test_one_that_another_took_over_is_not_removed(database: Database) -> None:
    before = await made(database, "a")
    await delete(database, "a")
    await told(database, await made(database, "a"), "7")
    await told(database, before, "7")
    assert await removals(database) == []


async def test_a_removed_experiment_is_to_be_removed_in_mlflow(database: Database) -> None:
    await told(database, await made(database, "a"), "7")
    await delete(database, "a")
    assert await removals(database) == ["7"]
    async with database.transaction() as session:
        await tracked_experiments.forget_removal(session, "7")
    assert await removals(database) == []
