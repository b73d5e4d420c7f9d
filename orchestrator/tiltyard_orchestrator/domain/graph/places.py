"""Where each value of a YAML text stands, and problems that say it.

A value is named by its path from the top (`("graph", "train", "eps")`). A problem is told by path; line and column are
those of the nearest thing on that path that was written, so that what is missing is shown where it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import pointer

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line and a column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a text's values, and of the keys that they stand under."""

    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)
    written: Mapping[Path, str | int] = field(default_factory=dict)
    """For the path of what is read under another name than the one in the text: that one."""

    def of(self, path: Path) -> Place | None:
        """Where the value at `path` stands, or what is nearest above it."""
        return self._nearest(self.values, self.as_written(path))

    def of_key(self, path: Path) -> Place | None:
        """Where the key at `path` stands; the value's own place where it has no key, as in a list."""
        return self.keys.get(self.as_written(path)) or self.of(path)

    def renamed(self, before: Path, name: str) -> "Places":
        """The same places, where what stands at `before` is called by another name."""
        after = (*before[:-1], name)
        return replace(self, written={**self.written, after: self.as_written(before)[-1]})

    def as_written(self, path: Path) -> Path:
        """Return the path by which the text itself has what is read at `path`."""
        if not self.written:
            return path
        return tuple(self.written.get(path[: end + 1], part) for end, part in enumerate(path))

    def _nearest(self, places: Mapping[Path, Place], path: Path) -> Place | None:
        while path:
            if path in places:
                return places[path]
            if path in self.keys:
                return self.keys[path]
            path = path[:-1]
        return places.get(())


def problem_at(places: Places, path: Path, code: str, detail: str, *, at_key: bool = False) -> ProblemItem:
    """A problem with what stands at `path`; with the name it stands under, where `at_key`."""
    place = places.of_key(path) if at_key else places.of(path)
    return ProblemItem(
        pointer=pointer(*map(str, places.as_written(path))),
        code=code,
        detail=detail,
        line=place.line if place else None,
        column=place.column if place else None,
    )
