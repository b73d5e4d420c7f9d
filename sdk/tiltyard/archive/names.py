"""Which names a member may have, and which of them clash on some file system."""

import re
import unicodedata
from collections.abc import Sequence

from tiltyard.archive.limits import Limits
from tiltyard.archive.refused import ArchiveRefused, Rule

_DRIVE = re.compile(r"[A-Za-z]:")

Parts = tuple[str, ...]


def decoded(raw: bytes) -> str:
    """Return a name's text. Raises `ArchiveRefused` where it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        member = raw.decode(errors="replace")
        raise ArchiveRefused(Rule.not_utf8, "its name is not UTF-8", member=member) from None


def parts_of(name: str, limits: Limits) -> Parts:
    """Return the parts of a member's name, `.` and empty ones left out. Raises `ArchiveRefused`."""
    broken = _broken_rule(name)
    if broken:
        raise ArchiveRefused(*broken, member=name)
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if len(parts) > limits.depth:
        raise ArchiveRefused(Rule.too_deep, f"it lies deeper than {limits.depth}", member=name)
    if any(len(part.encode()) > limits.name_bytes for part in parts):
        message = f"a part of its name is over {limits.name_bytes} bytes"
        raise ArchiveRefused(Rule.name_too_long, message, member=name)
    return parts


def _broken_rule(name: str) -> tuple[Rule, str] | None:
    if "\0" in name:
        return Rule.nul, "its name holds a NUL character"
    if "\\" in name:
        return Rule.backslash, "its name holds a backslash"
    if name.startswith("/") or _DRIVE.match(name):
        return Rule.absolute_path, "its name is absolute"
    if ".." in name.split("/"):
        return Rule.parent_path, "its name holds `..`"
    return None


class Tree:
    """The names met so far, as the most forgetful file system sees them: neither case nor Unicode form counts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._met: dict[Parts, tuple[Parts, bool]] = {}
        self._files = 0

    def add_directory(self, parts: Parts) -> None:
        """Take a directory in, and those above it; the same one again is no clash."""
        self._add_directories(parts)

    def add_file(self, parts: Parts) -> None:
        """Take a file in, and the directories above it."""
        if not parts:
            raise ArchiveRefused(Rule.damaged, "a file has no name")
        self._add_directories(parts[:-1])
        key = _folded(parts)
        if key in self._met:
            raise self._clash(parts, self._met[key])
        self._met[key] = (parts, False)
        self._files += 1
        if self._files > self._limits.files:
            raise ArchiveRefused(Rule.too_many_files, f"it has more than {self._limits.files} files")

    def _add_directories(self, parts: Parts) -> None:
        for length in range(1, len(parts) + 1):
            directory = parts[:length]
            met = self._met.setdefault(_folded(directory), (directory, True))
            if met != (directory, True):
                raise self._clash(parts, met)
        if len(self._met) - self._files > self._limits.files:
            message = f"it has more than {self._limits.files} directories"
            raise ArchiveRefused(Rule.too_many_files, message)

    def _clash(self, parts: Parts, met: tuple[Parts, bool]) -> ArchiveRefused:
        what = "directory" if met[1] else "file"
        message = f"it clashes with the {what} {'/'.join(met[0])}"
        return ArchiveRefused(Rule.duplicate, message, member="/".join(parts))


def _folded(parts: Sequence[str]) -> Parts:
    return tuple(
        unicodedata.normalize("NFD", unicodedata.normalize("NFD", part).casefold()) for part in parts
    )
