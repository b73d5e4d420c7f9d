"""Says what an archive holds, after one reading by every rule that writes nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tiltyard.archive.formats import detect_format
from tiltyard.archive.limits import LIMITS, Limits
from tiltyard.archive.members import read_members
from tiltyard.archive.uses import SCRIPT_BYTES, Scripts

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
    uses: list[str] = field(default_factory=list)
    """The plugins whose tasks its scripts name."""


def inspect(path: Path, limits: Limits = LIMITS) -> Contents:
    """Read the archive at `path` by every rule. Raises `ArchiveRefused` at the first that is broken."""
    files: list[str] = []
    documents: dict[str, bytes] = {}
    scripts = Scripts()
    size = 0
    for member in read_members(path, limits):
        if member.directory:
            continue
        files.append(member.name)
        wanted = 0
        if member.parts[-1].lower() == _MLPROJECT:
            wanted = limits.document_bytes + 1 if len(documents) < _KEPT_DOCUMENTS else 0
        elif member.name.endswith(".py"):
            wanted = SCRIPT_BYTES + 1 if scripts.open else 0
        length, start = _read_start(member.chunks, wanted)
        if member.parts[-1].lower() == _MLPROJECT:
            documents[member.name] = start
        elif wanted:
            scripts.look(start)
        size += length
    return Contents(
        format=detect_format(path),
        files=files,
        size_unpacked=size,
        documents=documents,
        uses=sorted(scripts.uses),
    )


def read_texts(path: Path, names: Collection[str], limits: Limits = LIMITS) -> dict[str, bytes]:
    """The content of the named members that are there; of one that is too long its first bytes, cut just above the limit."""
    found: dict[str, bytes] = {}
    for member in read_members(path, limits):
        if not member.directory:
            wanted = limits.document_bytes + 1 if member.name in names else 0
            _, start = _read_start(member.chunks, wanted)
            if wanted:
                found[member.name] = start
    return found


def _read_start(chunks: Iterator[bytes], wanted: int) -> tuple[int, bytes]:
    """The length of the whole content, and its first bytes."""
    length, start = 0, b""
    for chunk in chunks:
        length += len(chunk)
        start += chunk[: max(0, wanted - len(start))]
    return length, start
