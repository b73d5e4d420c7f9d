"""What the broker allows each user, read from the definitions and tried on a real RabbitMQ."""

import re
import secrets
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from amqp.exceptions import AccessRefused
from kombu import Connection, Producer

from tests.deploy.site import ROOT, broker_definitions, rights, workers
from tests.servers import rabbitmq_vhost
from tiltyard.wire.jobs import MAX_TIMEOUT_SECONDS
from tiltyard_orchestrator.broker.wiring import JOBS, connect, job_queue


@pytest.mark.parametrize("user", workers())
def test_a_worker_may_write_to_its_own_queue_and_to_no_exchange(user: str) -> None:
    allowed = re.compile(rights(user)["write"])
    assert allowed.search(user.removeprefix("worker-"))
    assert not [name for name in ("jobs", "events", "amq.default", "", "amq.topic") if allowed.search(name)]


@pytest.mark.parametrize("user", workers())
def test_a_worker_may_read_no_other_queue(user: str) -> None:
    others = {other.removeprefix("worker-") for other in workers()} - {user.removeprefix("worker-")}
    assert not [name for name in others if re.search(rights(user)["read"], name)]


def test_nobody_may_administer_the_broker() -> None:
    assert {user["tags"] for user in broker_definitions()["users"]} == {""}


def test_a_message_may_stay_unacknowledged_for_as_long_as_a_job_may_run() -> None:
    settings = dict(
        line.split(" = ")
        for line in (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text().splitlines()
        if " = " in line and not line.startswith("#")
    )
    assert int(settings["consumer_timeout"]) >= MAX_TIMEOUT_SECONDS * 1000
    assert settings["load_definitions"] == "/etc/rabbitmq/definitions.json"


def ctl(*command: str) -> None:
    subprocess.run(["rabbitmqctl", "-q", *command], check=True, capture_output=True)


@pytest.fixture
def broker() -> Iterator[dict[str, str]]:
    """The broker's URL for the gateway's user and for one worker's, each with the rights of the definitions."""
    with rabbitmq_vhost() as admin:
        url, urls = urlsplit(admin), {}
        vhost = url.path.removeprefix("/")
        try:
            for role in ("gateway", "worker-cpu"):
                user, password, may = (
                    f"test-{role}-{secrets.token_hex(4)}",
                    secrets.token_hex(8),
                    rights(role),
                )
                ctl("add_user", user, password)
                urls[role] = f"amqp://{user}:{password}@{url.hostname}:{url.port}/{vhost}"
                ctl("set_permissions", "-p", vhost, user, may["configure"], may["write"], may["read"])
            yield urls
        finally:
            for one in urls.values():
                ctl("delete_user", str(urlsplit(one).username))


def ring(connection: Connection) -> None:
    """Publish a message and wait for the broker's word on it."""
    Producer(connection.channel(), exchange=JOBS, serializer="json").publish(
        ["an-id"], routing_key="cpu", confirm_timeout=5, timeout=5
    )


def test_the_gateway_rings_and_a_worker_hears(broker: dict[str, str]) -> None:
    with connect(broker["gateway"]) as gateway, connect(broker["worker-cpu"]) as worker:
        heard = job_queue("cpu")(worker.channel())
        heard.declare()
        ring(gateway)
        message = heard.get()
        assert message is not None
        assert message.payload == ["an-id"]
        message.ack()


def test_a_worker_cannot_ring(broker: dict[str, str]) -> None:
    with connect(broker["gateway"]) as gateway, connect(broker["worker-cpu"]) as worker:
        job_queue("cpu")(gateway.channel()).declare()
        with pytest.raises(AccessRefused):
            ring(worker)


def test_a_worker_cannot_open_another_queue(broker: dict[str, str]) -> None:
    with connect(broker["worker-cpu"]) as worker, pytest.raises(AccessRefused):
        job_queue("pytorch")(worker.channel()).declare()
