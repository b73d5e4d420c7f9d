"""A site of two gateways for each test, each with clocks of its own if the test wants it so."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.servers import missing_rabbitmq, rabbitmq_vhost, valkey
from tests.stream.balancer import Balancer
from tests.stream.gateways import USER, WORKER, Site, running_site

Start = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A broker of these tests' own, which tell their jobs apart by id: a site's where there is one, or the embedded one."""
    wanted = os.environ.get("TILTYARD_TEST_REQUIRE_SITE") or not missing_rabbitmq()
    with rabbitmq_vhost() if wanted else valkey() as url:
        yield url


@pytest.fixture
def broker(broker_url: str) -> Iterator[Balancer]:
    """The way to the broker, to be cut."""
    with ExitStack() as stack:
        port = make_url(broker_url).port or 5672
        yield stack.enter_context(Balancer(port).running())


@pytest.fixture
def start_site(database_url: str, broker_url: str, tmp_path: Path, broker: Balancer) -> Start:
    """Start gateways: `async with start_site(None, {"poll": 0.5}) as site`, with the usual clocks where None is given.

    What is named is a setting of every gateway.
    """

    def start(*paces: Mapping[str, float] | None, **more: str) -> AbstractAsyncContextManager[Site]:
        way = make_url(broker_url).set(host="127.0.0.1", port=broker.port)
        settings = {
            "TILTYARD_DATABASE_URL": database_url,
            "TILTYARD_BROKER_URL": way.render_as_string(hide_password=False),
            "TILTYARD_STORE_DIR": str(tmp_path / "store"),
            "TILTYARD_BOOTSTRAP_TOKEN": USER,
            "TILTYARD_WORKER_TOKEN": WORKER,
        } | more
        return running_site(tmp_path, settings, *paces)

    return start
