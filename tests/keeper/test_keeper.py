"""The keeper's two loops, on a real PostgreSQL and a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import pytest

from tests.broker.test_broker import read_all
from tests.servers import free_port, valkey
from tests.storage.conftest import Claim, Submit, claimed, submitted
from tiltyard.wire import JobState
from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.keeper.loops import Keeper, Pulse
from tiltyard_orchestrator.settings import Timing
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.read import get_job

__all__ = ["claimed", "submitted"]

Until = Callable[..., Awaitable[None]]
QUICK = Timing(lease_seconds=0.6, renew_seconds=0.2, resend_seconds=0.3, dispatch_every=0.1, expire_every=0.1)


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    with valkey() as url:
        yield url


async def keep(database: Database, broker_url: str) -> AsyncIterator[Keeper]:
    publisher = Publisher(broker_url, message_seconds=60)
    keeper = Keeper(database, publisher, Hints(broker_url), QUICK)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        publisher.close()


@pytest.fixture
async def keeper(database: Database, broker_url: str) -> AsyncIterator[Keeper]:
    async for kept in keep(database, broker_url):
        yield kept


def pulse_is_weak(pulse: Pulse) -> bool:
    return not pulse.publishing


async def test_a_submitted_job_is_published_and_published_again_until_it_is_claimed(
    keeper: Keeper, submitted: Submit, claimed: Claim, broker_url: str, until: Until
) -> None:
    job = await submitted()
    keeper.wake()
    rung: list[str] = []

    def rung_for(wanted: str) -> bool:
        rung.extend(message.payload[0][0] for message in read_all(broker_url, "cpu"))
        return rung.count(wanted) >= 3

    await until(lambda: rung_for(job.id))
    await claimed(job.id)
    later = (await submitted()).id
    keeper.wake()
    await until(lambda: rung_for(later))
    assert job.id not in rung[rung.index(later) :], "what was under way came before it"


async def test_a_job_whose_worker_fell_silent_is_queued_again(
    keeper: Keeper, database: Database, submitted: Submit, claimed: Claim, until: Until
) -> None:
    job = await submitted()
    await claimed(job.id, lease_seconds=0.1)

    async def queued_again() -> bool:
        async with database.transaction() as session:
            now = await get_job(session, job.id)
        return now is not None and (now.state, now.reason) == (JobState.queued, "worker_lost")

    await until(queued_again)


async def test_a_broker_that_is_away_stops_no_loop_and_loses_nothing(
    database: Database, submitted: Submit, until: Until
) -> None:
    async for lonely in keep(database, f"redis://127.0.0.1:{free_port()}/0"):
        job, pulse = await submitted(), lonely.pulse
        lonely.wake()
        await until(partial(pulse_is_weak, pulse))
        async with database.transaction() as session:
            now = await get_job(session, job.id)
        assert now is not None
        assert now.state is JobState.queued
