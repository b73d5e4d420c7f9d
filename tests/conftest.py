"""What every test may ask for: a PostgreSQL of its own, and a way to wait without sleeping."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from tests.servers import PATIENCE
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.migrate import upgrade_now


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case of packed bytes by its argument: an archive holds the second it was packed in.

    Test processes that run side by side must agree on every name.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


async def administer(server: URL, statement: str) -> None:
    """Run a statement that no transaction may hold, such as CREATE DATABASE."""
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password,
        database=server.database or "postgres",
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The server that TILTYARD_TEST_DATABASE_URL names, or the wheel's, started for these tests."""
    if given := os.environ.get("TILTYARD_TEST_DATABASE_URL"):
        yield make_url(given).set(drivername="postgresql+asyncpg")
        return
    from tests.servers import embedded_postgres

    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield make_url(url).set(drivername="postgresql+asyncpg")


@pytest.fixture(scope="session")
def template_database(postgres_server: URL) -> Iterator[str]:
    """A migrated database, of which every test gets a copy."""
    name = f"tiltyard_test_{secrets.token_hex(4)}"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}"'))
    upgrade_now(postgres_server.set(database=name).render_as_string(hide_password=False))
    yield name
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture
def database_url(postgres_server: URL, template_database: str) -> Iterator[str]:
    """The URL of a migrated database that nobody else uses."""
    name = f"{template_database}_{secrets.token_hex(4)}"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    yield postgres_server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connection pool to a migrated database that nobody else uses."""
    pool = Database(database_url, pool_size=4)
    yield pool
    await pool.dispose()


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition: `await until(lambda: ...)`; a condition may be a coroutine function."""

    async def wait(condition: Callable[[], object], *, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while True:
            met = condition()
            if asyncio.iscoroutine(met):
                met = await met
            if met:
                return
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds:g} s: {condition}")
            await asyncio.sleep(0.02)

    return wait
