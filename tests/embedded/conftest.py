"""A data directory, and a PostgreSQL of its own on it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.servers import stop
from tiltyard_orchestrator.embedded.data import DataFolder
from tiltyard_orchestrator.embedded.postgres import Postgres

Started = tuple[Postgres, subprocess.Popen[bytes]]


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """A data directory under a long name with spaces and quotes in it."""
    return DataFolder(tmp_path / 'it\'s a "long" name' / ("x" * 120) / "data")


@pytest.fixture
def start_postgres(tmp_path: Path) -> Iterator[Callable[[DataFolder], Started]]:
    """Start the wheel's PostgreSQL on a data directory that is held."""
    started: list[subprocess.Popen[bytes]] = []

    def start(data: DataFolder) -> Started:
        postgres = Postgres.prepare(data.postgres, data.secrets())
        user = postgres.user
        process = subprocess.Popen(
            postgres.command,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        started.append(process)
        return postgres, process

    yield start
    for process in started:
        stop(process)


async def connects(postgres: Postgres) -> bool:
    """Whether it takes connections."""
    try:
        return await postgres.answers()
    except (OSError, asyncpg.PostgresError):
        return False
