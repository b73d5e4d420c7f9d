"""Unpacks an archive into a directory: regular files and directories, and nothing through a link.

Every directory on the way is opened without following links, every file is made new. A refusal half-way leaves what
was written: the caller gave the directory and removes it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiltyard.archive.limits import LIMITS, Limits
from tiltyard.archive.members import Member, read_members

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(path: Path, into: Path, limits: Limits = LIMITS) -> None:
    """Unpack the archive at `path` into `into`, which is made where it does not exist.

    Files get mode 0644, or 0755 where the archive says they run; directories 0755. Raises `ArchiveRefused`, and
    FileExistsError for a file that is already there.
    """
    into.mkdir(parents=True, exist_ok=True)
    root = os.open(into, _DIRECTORY)
    try:
        for member in read_members(path, limits):
            _write(root, member)
    finally:
        os.close(root)


def _write(root: int, member: Member) -> None:
    if member.directory:
        with _opened(root, member.parts):
            return
    with _opened(root, member.parts[:-1]) as folder:
        target = os.open(member.parts[-1], _NEW_FILE, 0o600, dir_fd=folder)
        with open(target, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.writelines(member.chunks)
            os.fchmod(target, 0o755 if member.executable else 0o644)


@contextmanager
def _opened(root: int, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of the directory below `root`, made where it is missing."""
    current = os.dup(root)
    try:
        for part in parts:
            below = _below(current, part)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _below(folder: int, name: str) -> int:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    made = os.open(name, _DIRECTORY, dir_fd=folder)
    os.fchmod(made, 0o755)  # whatever the umask
    return made
