"""Publisher and hints, on both brokers: the same suite judges RabbitMQ and the embedded one."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.servers import free_port, rabbitmq_vhost, valkey
from tiltyard_orchestrator.broker import publish
from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.broker.wiring import job_queue
from tiltyard_orchestrator.storage.jobs.dispatch import Due


@pytest.fixture(scope="module", params=["embedded", "site"])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with valkey() if request.param == "embedded" else rabbitmq_vhost() as url:
        yield url


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    one = Publisher(broker_url, message_seconds=60)
    yield one
    one.close()


def read_all(broker_url: str, queue: str) -> list[Any]:
    with Connection(broker_url) as connection:
        bound = job_queue(queue)(connection.channel())
        bound.declare()
        messages = []
        while (message := bound.get(no_ack=True)) is not None:
            messages.append(message)
        return messages


async def test_a_published_job_waits_in_its_queue_for_a_worker_that_comes_later(
    publisher: Publisher, broker_url: str
) -> None:
    assert await publisher.publish([Due(job="j1", queue="cpu"), Due(job="j2", queue="pytorch")]) == 2
    (message,) = read_all(broker_url, "cpu")
    assert message.headers["task"] == "tiltyard.run"
    assert message.payload[0] == ["j1"], "a message carries the id and nothing else"
    assert [message.payload[0] for message in read_all(broker_url, "pytorch")] == [["j2"]]


async def test_a_bell_makes_no_queue_but_the_one_that_it_rings(publisher: Publisher, broker_url: str) -> None:
    await publisher.publish([Due(job="j1", queue="cpu")])
    with Connection(broker_url) as connection, pytest.raises(connection.channel_errors):
        connection.channel().queue_declare("celery", passive=True)


async def test_five_hundred_jobs_all_arrive(publisher: Publisher, broker_url: str) -> None:
    await publisher.publish([Due(job=f"j{number}", queue="cpu") for number in range(500)])
    assert {message.payload[0][0] for message in read_all(broker_url, "cpu")} == {f"j{n}" for n in range(500)}


async def test_a_full_bell_is_rung_no_more(
    publisher: Publisher, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FULL_BELL", 3)
    published = [await publisher.publish([Due(job=f"j{number}", queue="cpu")]) for number in range(5)]
    assert published == [1, 1, 1, 0, 0]
    assert len(read_all(broker_url, "cpu")) == 3


async def test_a_broker_that_is_away_is_an_error_within_seconds_and_not_a_hang() -> None:
    away = Publisher(f"amqp://guest:guest@127.0.0.1:{free_port()}//", message_seconds=60)
    with pytest.raises(OperationalError, match="refused"):
        await away.publish([Due(job="j", queue="cpu")])
    assert not await away.ready()
    away.close()


async def test_a_hint_wakes_the_readers_of_another_gateway(broker_url: str, until: Any) -> None:
    one, other = Hints(broker_url), Hints(broker_url)
    one.start()
    other.start()
    try:
        with other.subscribe("j1") as of_one_job, other.subscribe() as of_all:

            async def heard() -> bool:
                one.announce("j1")
                return await of_one_job.wait(0.2) == {"j1"}

            await until(heard)
            assert await of_all.wait(5) == {"j1"}
    finally:
        one.stop()
        other.stop()


async def test_a_hint_wakes_the_readers_here_without_any_broker() -> None:
    hints = Hints(f"redis://127.0.0.1:{free_port()}/0")
    hints.start()
    try:
        with hints.subscribe("j1") as subscription:
            hints.announce("j2")
            assert await subscription.wait(0.05) == set()
            hints.announce("j1")
            hints.announce("j1")
            assert await subscription.wait(5) == {"j1"}
    finally:
        hints.stop()
