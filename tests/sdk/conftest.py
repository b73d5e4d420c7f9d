"""One gateway for all the tests here, started as a user starts it, on an empty database."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.conftest import administer
from tests.sdk.site import MLPROJECT, USER_TOKEN, WORKER_TOKEN, Site
from tests.servers import free_port, valkey
from tiltyard import Client


@pytest.fixture(scope="session")
def site(
    postgres_server: URL, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A gateway with its keeper and a store; nobody serves its queues but the tests."""
    folder = tmp_path_factory.mktemp("site")
    name = f"{template_database}_sdk_{secrets.token_hex(4)}"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    with valkey() as broker:
        settings = {
            "TILTYARD_DATABASE_URL": postgres_server.set(database=name).render_as_string(hide_password=False),
            "TILTYARD_BROKER_URL": broker,
            "TILTYARD_STORE_DIR": str(folder / "store"),
            "TILTYARD_BOOTSTRAP_TOKEN": USER_TOKEN,
            "TILTYARD_WORKER_TOKEN": WORKER_TOKEN,
        }
        (folder / "store").mkdir()
        running = Site(port=free_port(), home=folder / "home", settings=settings, log=folder / "gateway.log")
        try:
            running.start()
            yield running
        finally:
            running.stop()
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    """A client of that gateway."""
    with Client(site.url, site.token) as client:
        yield client


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an MLproject."""
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "main.py").write_text("print('never run here')\n")
    return folder


@pytest.fixture
def job(client: Client, project: Path) -> str:
    """A queued job."""
    return client.submit(project, experiment="probe").id
