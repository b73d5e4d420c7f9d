"""What jobs run in is kept once, and noted with each job that starts there."""

from typing import Any

from sqlalchemy import func, select

from tests.storage.conftest import Claim, Submit
from tiltyard.canonical import digest_of
from tiltyard.wire.environments import Environment, Gpu, Hardware
from tiltyard.wire.workers import Worker, WorkerHeartbeat
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.environments import read_environments
from tiltyard_orchestrator.storage.tables import EnvironmentRow, JobRow, WorkerRow
from tiltyard_orchestrator.storage.workers import record_heartbeat

HERE = Environment(
    image="tiltyard-cpu",
    image_digest="sha256:" + "a" * 64,
    python="3.11.7",
    hardware=Hardware(cpu="a processor", cpus=2, gpus=[Gpu(name="a card", memory=1 << 30)]),
    packages={"numpy": "2.3.1"},
)


async def say(database: Database, worker: str, **more: Any) -> Worker:
    said = WorkerHeartbeat(host="node-7", queue="cpu", state="idle", incarnation="1", **more)
    async with database.transaction() as session:
        return await record_heartbeat(session, worker, said, lost_after=60)


async def test_many_workers_of_one_image_share_one_environment(database: Database) -> None:
    first = await say(database, "w1", environment=HERE)
    second = await say(database, "w2", environment=HERE)
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(EnvironmentRow)) == 1
        assert await read_environments(session, [digest_of(HERE)]) == {digest_of(HERE): HERE}
    assert first.environment == second.environment == digest_of(HERE)


async def test_a_worker_says_once_what_it_is_made_of_and_keeps_it(database: Database) -> None:
    assert (await say(database, "w1", environment=HERE, packages={}, modules=[])).tell_all is False
    again = await say(database, "w1")
    assert (again.environment, again.tell_all) == (digest_of(HERE), False)


async def test_a_worker_that_was_forgotten_is_asked_to_say_it_again(database: Database) -> None:
    await say(database, "w1", environment=HERE, packages={}, modules=[])
    async with database.transaction() as session:
        await session.delete(await session.get_one(WorkerRow, "w1"))
    assert (await say(database, "w1")).tell_all is True
    assert (await say(database, "w1", environment=HERE, packages={}, modules=[])).tell_all is False


async def test_a_job_notes_what_its_newest_attempt_runs_in(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    await say(database, "w1", environment=HERE)
    job = await submitted()
    await claimed(job.id)
    async with database.transaction() as session:
        assert (await session.get_one(JobRow, job.id)).environment == digest_of(HERE)


async def test_a_worker_that_never_said_what_it_is_made_of_may_still_claim(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    await claimed(job.id, worker="a-stranger")
    async with database.transaction() as session:
        assert (await session.get_one(JobRow, job.id)).environment is None
