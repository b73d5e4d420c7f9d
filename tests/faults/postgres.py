"""A PostgreSQL of the yard's own, that may be stopped without a word and be away for a while."""

import asyncio
import os
import pwd
import re
import secrets
import signal
from pathlib import Path

import asyncpg

from tests.faults.part import Part
from tests.servers import free_port, wait_for
from tiltyard_orchestrator.embedded.identity import Identity, choose_identity

USER = "tiltyard"
DATABASE = "tiltyard"


class Postgres:
    """A cluster in a folder, under a user who may run one.

    Args:
        folder: where it is made; others must be able to pass through.
    """

    def __init__(self, folder: Path) -> None:
        self._identity = _installed(folder) or choose_identity(folder)
        self._data = folder / "postgres"
        self._port = free_port()
        self._password = secrets.token_hex(12)
        self._initialise(folder)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "150",
            "shared_buffers": "64MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.part = Part(
            "postgres",
            [*self._identity.program("postgres"), "-D", str(self._data), *settings],
            folder / "postgres.log",
            {"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=self._identity.user,
        )

    @property
    def url(self) -> str:
        """The database's address."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.part.start()
        wait_for(self._serves)

    def make_database(self) -> None:
        """Make the empty database."""
        asyncio.run(self._run("postgres", f'CREATE DATABASE "{DATABASE}"'))

    def drop_all(self) -> None:
        """Stop it in the mode `immediate`: every connection breaks, and what was not synced must be recovered."""
        self.part.stop(signal.SIGQUIT)

    def close(self) -> None:
        """End it."""
        if self.part.alive:
            self.part.stop(signal.SIGINT)

    def _serves(self) -> bool:
        assert self.part.alive, "PostgreSQL ended; its log is beside its data"
        try:
            asyncio.run(self._run("postgres", "SELECT 1"))
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        return True

    async def _run(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=self._port,
            user=USER,
            password=self._password,
            database=database,
            timeout=5,
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _initialise(self, folder: Path) -> None:
        self._data.mkdir(mode=0o700)
        secret = folder / "postgres.password"
        secret.write_text(self._password)
        self._identity.own(self._data)
        self._identity.own(secret)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"]
        place = ["-D", str(self._data), "-U", USER, "--pwfile", str(secret)]
        done = self._identity.run([*self._identity.program("initdb"), *place, *options])
        assert done.returncode == 0, done.stderr


def _installed(parent: Path) -> Identity | None:
    """The newest PostgreSQL that the host has, where it can run on data below a folder."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    for place in places:
        identity = Identity(binaries=place, user=user)
        if (place / "initdb").exists() and identity.reaches(parent):
            return identity
    return None


def _version(place: Path) -> int:
    found = re.search(r"\d+", place.parent.name)
    return int(found[0]) if found else 0
