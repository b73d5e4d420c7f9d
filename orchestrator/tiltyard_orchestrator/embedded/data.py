"""The data directory of an embedded testbed: what is in it, who may use it now, and which version wrote it.

DATA/version            the layout's version
DATA/lock               held, and naming its process, while a testbed runs on this directory
DATA/secrets.json       passwords, tokens and ports, made once; 0600
DATA/postgres/          PostgreSQL's own
DATA/store/             archives and artifacts
DATA/mlflow/            files of MLflow's runs
DATA/run/               MLflow's socket: jobs share the host's loopback, and do not see this directory
DATA/scratch/           where jobs run
DATA/logs/              one file for each part
"""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

VERSION = 1
_PORTS = range(20000, 32000)
"""Below the ephemeral ports, which the system hands out to anybody's outgoing connections."""

_LONGEST_SOCKET = 100
LAST_ONE_SECONDS = 15.0
"""For what a killed testbed left to end."""


class Unusable(Exception):
    """The testbed cannot run here; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What the parts of one testbed share."""

    postgres_password: str
    postgres_port: int
    broker_password: str
    broker_port: int
    mlflow_port: int
    user_token: str
    worker_token: str


class DataFolder:
    """A data directory, made when it is missing.

    Args:
        root: the directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.postgres = self.root / "postgres"
        self.store = self.root / "store"
        self.mlflow = self.root / "mlflow"
        self.scratch = self.root / "scratch"
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.lock = -1
        """The lock's file descriptor, while the directory is held."""

    @property
    def mlflow_socket(self) -> Path | None:
        """Where MLflow listens; None where a socket's path would be too long, so that it has to be a port."""
        place = self.run / "mlflow"
        return place if len(os.fsencode(place)) < _LONGEST_SOCKET else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Use the directory alone while the block lasts.

        Raises:
            Unusable: another testbed runs on it, a newer program wrote it, or it cannot be written.
        """
        try:
            self._make()
            lock = (self.root / "lock").open("a+")
        except OSError as error:
            raise Unusable(
                f"cannot write in {self.root}: {why(error)}; give another directory with --data"
            ) from error
        with lock:
            self._take(lock)
            self.lock = lock.fileno()
            self._check_version()
            yield

    def _take(self, lock: IO[str]) -> None:
        deadline = time.monotonic() + LAST_ONE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                lock.seek(0)
                pid = lock.read().strip()
                # A testbed that was killed leaves its guardian, which holds the lock while it clears away.
                if time.monotonic() > deadline or not pid.isdecimal() or psutil.pid_exists(int(pid)):
                    raise Unusable(
                        f"a testbed runs on {self.root} already (process {pid or 'unknown'}); "
                        "use it, stop it, or give another --data"
                    ) from error
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()

    def secrets(self) -> Secrets:
        """The directory's secrets, and ports that are free now; made at the first time, then kept."""
        path = self.root / "secrets.json"
        kept = self._kept(path)
        made = Secrets(
            postgres_password=kept.get("postgres_password") or secrets.token_urlsafe(24),
            postgres_port=free_port(kept.get("postgres_port")),
            broker_password=kept.get("broker_password") or secrets.token_urlsafe(24),
            broker_port=free_port(kept.get("broker_port")),
            mlflow_port=free_port(kept.get("mlflow_port")),
            user_token=kept.get("user_token") or f"ty_{secrets.token_urlsafe(32)}",
            worker_token=kept.get("worker_token") or f"tyw_{secrets.token_urlsafe(32)}",
        )
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(asdict(made), out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
        return made

    def _kept(self, path: Path) -> dict[str, Any]:
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            if not (self.postgres / "PG_VERSION").exists():
                return {}
            raise Unusable(
                f"{path} is gone, and with it the database's password: restore it, or give another --data"
            ) from None
        except ValueError as error:
            raise Unusable(f"{path} is damaged ({error}): restore it, or give another --data") from None

    def _make(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        # Others may pass through, for PostgreSQL runs as somebody else when we are root; every secret is closed to them.
        self.root.chmod(0o711)
        for folder in (self.store, self.mlflow, self.scratch, self.logs, self.run):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def _check_version(self) -> None:
        path = self.root / "version"
        try:
            found = int(path.read_text()) if path.exists() else None
        except ValueError as error:
            raise Unusable(f"{path} is not a version; is {self.root} a testbed's data directory?") from error
        if found is not None and found > VERSION:
            raise Unusable(
                f"{self.root} was written by a newer Tiltyard (layout {found}, this one knows {VERSION}): "
                "start that one, or give another --data"
            )
        path.write_text(f"{VERSION}\n")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(kept: int | None = None) -> int:
    """A port that is free now: the one that was kept, if it is."""
    if kept is not None and is_free(kept):
        return kept
    while not is_free(port := secrets.choice(_PORTS)):
        pass
    return port


def why(error: OSError) -> str:
    """An error of the system, in the words of who has to mend it."""
    return "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else str(error.strerror or error)
