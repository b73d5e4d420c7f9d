"""An archive's member as its header tells it, before the rules for names are asked."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from tiltyard.archive.refused import ArchiveRefused, Rule


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a header says, and the content behind it."""

    name: str
    directory: bool
    mode: int
    size: int
    """Bytes, as announced."""
    chunks: Iterator[bytes]


def check_kind(name: str, mode: int) -> None:
    """Refuse what a Unix mode says is neither a regular file nor a directory."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise ArchiveRefused(Rule.link, "it is a symbolic link", member=name)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveRefused(Rule.device, "it is neither a file nor a directory", member=name)
