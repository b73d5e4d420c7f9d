"""What the workers of a queue can import, against what a plugin needs: requirements on packages, and modules by name.

A requirement is met by the version that a worker reports; an extra is not looked into, and a requirement whose marker does
not hold (another system, another Python) asks for nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a worker's jobs can import."""

    packages: Mapping[str, str]
    """Versions, by distribution."""
    modules: frozenset[str]
    """Top-level names."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What must be there for a task, or for a whole plugin."""

    requires: Sequence[str] = ()
    imports: Collection[str] = ()


def missing(need: Need, images: Iterable[Image]) -> list[str] | None:
    """Return what no image of these has, as the one says it that lacks least; None where there are no images.

    An empty list: one of them has everything.
    """
    lacks = [_lacks(need, image) for image in images]
    return min(lacks, key=len) if lacks else None


def elsewhere(need: Need, queues: Mapping[str, Sequence[Image]]) -> list[str]:
    """Return the queues one of whose images has everything."""
    return sorted(name for name, images in queues.items() if missing(need, images) == [])


def _lacks(need: Need, image: Image) -> list[str]:
    packages = {canonicalize_name(name): version for name, version in image.packages.items()}
    lacks = [said for one in need.requires if (said := _unmet(one, packages)) is not None]
    return lacks + [f"the module {name}" for name in sorted(set(need.imports) - image.modules)]


def _unmet(requirement: str, packages: Mapping[NormalizedName, str]) -> str | None:
    try:
        wanted = Requirement(requirement)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return None
        there = packages.get(canonicalize_name(wanted.name))
        if there is None:
            return str(wanted)
        if wanted.specifier.contains(there, prereleases=True):
            return None
    except (InvalidRequirement, InvalidVersion, UndefinedComparison, UndefinedEnvironmentName) as error:
        return f"{requirement} ({str(error).splitlines()[0]})"
    return f"{wanted} (it has {there})"
