"""The files that an attempt leaves: opened without following links out of its folder, hashed, and stored one by one."""

import hashlib
import mimetypes
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tiltyard.wire import Claim
from tiltyard_workers.gateway import Away, Gateway, Refused

MOST_FILES = 2_000
MOST_BYTES = 8 << 30
MOST_STORED = 10 * MOST_FILES
"""Times that one is stored: each time that it has changed it is told of anew."""
TOO_MUCH = f"a job keeps {MOST_FILES} files and {MOST_BYTES >> 30} GiB at most"
PATIENCE_SECONDS = 3600.0
"""How long one file is offered to a gateway that is away; the lease is renewed beside it."""
LONGEST_PAUSE_SECONDS = 15.0
CHANGES = 3
"""How often a file that changes while it is sent is begun again."""
_WAY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LeftOut(Exception):
    """A file that is not kept; the message says why."""


class Shelf:
    """Stores an attempt's files, up to a number and a size.

    Args:
        gateway: where they are stored.
        claim: the attempt.
        pause: waits so many seconds, and raises when the attempt is to end meanwhile.
    """

    def __init__(self, gateway: Gateway, claim: Claim, pause: Callable[[float], None]) -> None:
        self._gateway = gateway
        self._claim = claim
        self._pause = pause
        self._lock = threading.Lock()
        self._kept: dict[str, str] = {}
        """The digest of each file as it was stored last."""
        self._names: set[str] = set()
        self._bytes = self._stored = 0

    @property
    def is_full(self) -> bool:
        """Whether no other file is kept, however small it is."""
        return self._is_full("")

    def keep(self, name: str, folder: Path, path: str) -> None:
        """Store the file at a path below a folder, trying until the gateway has it; once, as long as it does not change.

        Raises:
            LeftOut: it is no file of this folder, there are too many, or the gateway will not have it or is away too long.
            Superseded: the job is not this attempt's any more.
        """
        if not (_is_text(name) and _is_text(path)):
            raise LeftOut("its name is not UTF-8")
        try:
            with open_inside(folder, path) as content:
                if os.fstat(content.fileno()).st_size > MOST_BYTES:
                    raise LeftOut(TOO_MUCH)  # it would take long to read
                digest, size = _measured(content)
                if self._kept.get(name) != digest:
                    self._count(name, size)
                    self._kept[name] = self._store(name, content, digest, size)
        except Refused as refused:
            raise LeftOut(str(refused)) from refused
        except (Away, OSError) as error:
            raise LeftOut(str(error) or type(error).__name__) from error

    def _count(self, name: str, size: int) -> None:
        with self._lock:
            if self._is_full(name) or self._bytes + size > MOST_BYTES:
                raise LeftOut(TOO_MUCH)
            self._names.add(name)
            self._bytes += size
            self._stored += 1

    def _is_full(self, name: str) -> bool:
        new = name not in self._names
        return self._stored >= MOST_STORED or (new and len(self._names) >= MOST_FILES)

    def _store(self, name: str, content: IO[bytes], digest: str, size: int) -> str:
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        waited, pause, changed = 0.0, 0.5, 0
        while True:
            try:
                self._gateway.put_artifact(
                    self._claim, name, content, size=size, sha256=digest, media_type=media_type
                )
            except Away:
                if waited > PATIENCE_SECONDS:
                    raise
                self._pause(pause)
                waited, pause = waited + pause, min(pause * 2, LONGEST_PAUSE_SECONDS)
            except Refused as refused:
                changed += 1
                if refused.code != "digest_mismatch" or changed > CHANGES:
                    raise
                digest, size = _measured(content)
            else:
                return digest


def open_inside(folder: Path, path: str) -> IO[bytes]:
    """Open a regular file below a folder, following no link on the way: a script may change what is there meanwhile.

    Raises:
        LeftOut: it is no regular file, or not in the folder.
    """
    parts = Path(path).parts
    if not parts or ".." in parts or Path(path).is_absolute() or "\0" in path:
        raise LeftOut("it is not in the job's folder")
    place = os.open(folder, _WAY)
    try:
        for part in parts[:-1]:
            place, before = os.open(part, _WAY, dir_fd=place), place
            os.close(before)
        descriptor = os.open(parts[-1], _FILE, dir_fd=place)
    except OSError as error:
        raise LeftOut(f"it cannot be read, or leads out of the job's folder: {error.strerror}") from error
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LeftOut("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def _is_text(name: str) -> bool:
    """Whether a name can be told: a file system takes any bytes for one, and a script's JSON half a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _measured(content: IO[bytes]) -> tuple[str, int]:
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]  # it is a file
    return digest, content.tell()
