"""The files that an attempt leaves: read without following links out of its folder, hashed, and stored one by one."""

import hashlib
import mimetypes
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from tiltyard.wire import Claim
from tiltyard_workers.gateway import Away, Gateway

MOST_FILES = 2_000
MOST_BYTES = 8 << 30
PATIENCE_SECONDS = 3600.0
"""How long one file is offered to a gateway that is away; the lease is renewed beside it."""


def regular_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The regular files below a folder, by their path in it; links and everything else are left out."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(folder).as_posix(), path


def store(gateway: Gateway, claim: Claim, path: str, source: Path) -> None:
    """Store one file, trying until the gateway has it.

    Raises:
        Superseded: the job is not this attempt's any more.
        Refused: the gateway will not have it.
        Away: it did not answer for an hour.
        OSError: the file cannot be read.
    """
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.5
    with source.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    while True:
        try:
            gateway.put_artifact(claim, path, source, sha256=digest, media_type=media_type)
        except Away:
            if time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 15.0)
        else:
            return


def inside(folder: Path, name: str) -> Path | None:
    """A path that a script named, if it is a regular file inside its folder, links resolved."""
    try:
        path = (folder / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return path if path.is_file() and path.is_relative_to(folder.resolve()) else None
