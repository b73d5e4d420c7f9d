"""Where each value of a YAML text stands, and problems that say it.

A value is named by its path from the top (`("graph", "train", "eps")`). A problem is told by path; line and column are
those of the nearest thing on that path that was written, so that what is missing is shown where it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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

    def of(self, path: Path) -> Place | None:
        """Where the value at `path` stands, or what is nearest above it."""
        return self._nearest(self.values, path)

    def of_key(self, path: Path) -> Place | None:
        """Where the key at `path` stands; the value's own place where it has no key, as in a list."""
        return self.keys.get(path) or self.of(path)

    def renamed(self, before: str, name: str) -> "Places":
        """The same places, where a key at the top has another name."""
        return Places(values=_renamed(self.values, before, name), keys=_renamed(self.keys, before, name))

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
        pointer=pointer(*map(str, path)),
        code=code,
        detail=detail,
        line=place.line if place else None,
        column=place.column if place else None,
    )


def _renamed(places: Mapping[Path, Place], before: str, name: str) -> dict[Path, Place]:
    return {
        ((name, *path[1:]) if path and path[0] == before else path): place for path, place in places.items()
    }
