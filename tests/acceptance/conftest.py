"""Each acceptance test runs twice: on the embedded defaults, and on a site's PostgreSQL, RabbitMQ and S3."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.acceptance.testbed import Testbed, embedded, site
from tests.conftest import administer

PROBE = Path(__file__).parent / "probe"
NAPS = f"9{os.getpid():07d}"
"""How long a probe's grandchild sleeps: a number by which this run knows its own."""


@pytest.fixture(scope="session")
def site_database_url(postgres_server: URL) -> Iterator[str]:
    """An empty database of a site's PostgreSQL: `tiltyard db upgrade` is the test's to run."""
    name = f"tiltyard_site_{secrets.token_hex(4)}"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}"'))
    yield postgres_server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session", params=["embedded", "site"])
def testbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A running testbed, shared by the tests of its ring."""
    folder = tmp_path_factory.mktemp(request.param)
    started = (
        embedded(folder)
        if request.param == "embedded"
        else site(folder, request.getfixturevalue("site_database_url"))
    )
    with started as running:
        yield running


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """A copy of the probe, an entry point that shows what a job sees."""
    copy = Path(shutil.copytree(PROBE, tmp_path / "probe"))
    (copy / "sleep.py").write_text((copy / "sleep.py").read_text().replace("987654", NAPS))
    return copy
