"""The members of an archive, one after the other, each by every rule before its content is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiltyard.archive.formats import detect_format
from tiltyard.archive.limits import Budget, Limits
from tiltyard.archive.names import Parts, Tree, parts_of
from tiltyard.archive.refused import ArchiveRefused, Rule
from tiltyard.archive.tarred import tar_members
from tiltyard.archive.zipped import zip_members


@dataclass(frozen=True, kw_only=True)
class Member:
    """A regular file or a directory."""

    parts: Parts
    directory: bool
    executable: bool
    chunks: Iterator[bytes]
    """The content. Take all of it before the next member: there is one stream."""

    @property
    def name(self) -> str:
        """The name with its parts joined, relative to the archive's root."""
        return "/".join(self.parts)


def read_members(path: Path, limits: Limits) -> Iterator[Member]:
    """Give the members of the archive at `path`. Raises `ArchiveRefused` at the first broken rule."""
    kind = detect_format(path)
    budget = Budget(path.stat().st_size, limits)
    tree = Tree(limits)
    with path.open("rb") as file:
        entries = zip_members(file, budget) if kind == "zip" else tar_members(file, kind, budget)
        for entry in entries:
            parts = parts_of(entry.name, limits)
            if entry.directory:
                if entry.size:
                    raise ArchiveRefused(Rule.damaged, "a directory has content", member=entry.name)
                tree.add_directory(parts)
            else:
                tree.add_file(parts)
                budget.announced(entry.name, entry.size)
            yield Member(
                parts=parts,
                directory=entry.directory,
                executable=bool(entry.mode & 0o111),
                chunks=_counted(entry.name, entry.chunks, budget),
            )


def _counted(name: str, chunks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    for chunk in chunks:
        budget.unpacked(name, len(chunk))
        yield chunk
