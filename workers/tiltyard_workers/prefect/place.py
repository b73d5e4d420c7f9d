"""Where the workers of a host and their one Prefect server find each other.

FOLDER/workers     held in common by every worker that lives: when nobody holds it, the server ends
FOLDER/server      held by the server alone
FOLDER/home        its database and all that is its own; it goes with the server
FOLDER/server.log  what it printed
FOLDER/sock        where it listens, seen by no job; below the folder for temporary files where this path is too long
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import IO

LONGEST_SOCKET = 100


@dataclass(frozen=True)
class Place:
    """The folder that they share."""

    folder: Path

    @property
    def home(self) -> Path:
        """What is the server's own."""
        return self.folder / "home"

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.folder / "server.log"

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        path = self.folder / "sock"
        if len(str(path)) < LONGEST_SOCKET:
            return path
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(gettempdir()) / f"tiltyard-prefect-{digest}.sock"

    @contextmanager
    def as_worker(self) -> Iterator[None]:
        """Keep the server that is there, or will be, for as long as this process lives."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "workers").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits for a server that is just leaving
            yield

    @contextmanager
    def as_server(self) -> Iterator[None]:
        """Be the server.

        Raises:
            BlockingIOError: another process is.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "server").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def deserted(self) -> IO[str] | None:
        """A hold on the place against new workers, if there is none; they wait until it is closed."""
        lock = (self.folder / "workers").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock
