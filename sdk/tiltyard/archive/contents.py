"""Says what an archive holds, after one reading by every rule that writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiltyard.archive.formats import detect_format
from tiltyard.archive.limits import LIMITS, Limits
from tiltyard.archive.members import read_members

_MLPROJECT = "mlproject"  # MLflow takes any case
_KEPT_DOCUMENTS = 4  # more than one is refused anyway


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an archive holds."""

    format: str
    files: list[str]
    size_unpacked: int
    """Bytes of all files."""
    documents: dict[str, bytes]
    """The content of every member named MLproject, by name. One that is too long is here by its first bytes, cut
    just above the limit; past the fourth they are empty."""


def inspect(path: Path, limits: Limits = LIMITS) -> Contents:
    """Read the archive at `path` by every rule. Raises `ArchiveRefused` at the first that is broken."""
    files: list[str] = []
    documents: dict[str, bytes] = {}
    size = 0
    for member in read_members(path, limits):
        if member.directory:
            continue
        files.append(member.name)
        wanted = 0
        if member.parts[-1].lower() == _MLPROJECT:
            wanted = limits.document_bytes + 1 if len(documents) < _KEPT_DOCUMENTS else 0
        length, start = _read_start(member.chunks, wanted)
        if member.parts[-1].lower() == _MLPROJECT:
            documents[member.name] = start
        size += length
    return Contents(format=detect_format(path), files=files, size_unpacked=size, documents=documents)


def _read_start(chunks: Iterator[bytes], wanted: int) -> tuple[int, bytes]:
    """The length of the whole content, and its first bytes."""
    length, start = 0, b""
    for chunk in chunks:
        length += len(chunk)
        start += chunk[: max(0, wanted - len(start))]
    return length, start
