"""Artifact types by their names: the SDK's own, and those that plugins register."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

__all__ = ["STANDARD", "ArtifactType", "UnknownArtifactType", "artifact_type", "named", "of_class"]

Class = TypeVar("Class", bound=type)
MARK = "__tiltyard_artifact_type__"


class ArtifactType(Protocol):
    """What saves values of a sort, and loads them."""

    def save(self, value: Any, folder: Path, name: str, **options: Any) -> list[Path]:
        """Write `value` below `folder` in files named after `name`, and return them, the one to load first."""

    def load(self, path: Path) -> Any:
        """Return the value that a file holds."""


class UnknownArtifactType(LookupError):
    """No artifact type has this name."""


STANDARD = {
    "array": "tiltyard.artifact_types.arrays:Arrays",
    "table": "tiltyard.artifact_types.tables:Tables",
    "json": "tiltyard.artifact_types.documents:Documents",
    "text": "tiltyard.artifact_types.documents:Texts",
    "figure": "tiltyard.artifact_types.figures:Figures",
    "model": "tiltyard.artifact_types.models:Models",
    "path": "tiltyard.artifact_types.files:Files",
}
"""Where the SDK's own are, by their names."""

_registered: dict[str, type] = {}


def artifact_type(name: str) -> Callable[[Class], Class]:
    """Register a class with `save` and `load` under a name that graphs use. It is made without arguments."""

    def register(marked: Class) -> Class:
        for method in ("save", "load"):
            if not callable(getattr(marked, method, None)):
                raise TypeError(f"the artifact type {name!r} has no method `{method}`")
        setattr(marked, MARK, name)
        _registered[name] = marked
        return marked

    return register


def named(name: str) -> ArtifactType:
    """Return the artifact type of this name. Raises `UnknownArtifactType`."""
    if name in _registered:
        return cast("ArtifactType", _registered[name]())
    if name not in STANDARD:
        known = ", ".join(sorted({*STANDARD, *_registered}))
        raise UnknownArtifactType(f"there is no artifact type {name!r}: known are {known}")
    module, _, attribute = STANDARD[name].partition(":")
    return cast("ArtifactType", getattr(import_module(module), attribute)())


def of_class(found: type) -> ArtifactType:
    """Return the artifact type that a plugin's class is: one of ours, or an artifact task of Dioptra's."""
    if callable(getattr(found, "serialize", None)) and callable(getattr(found, "deserialize", None)):
        from tiltyard.artifact_types.dioptra import ArtifactTask  # noqa: PLC0415 - it is rarely needed

        return ArtifactTask(found)
    return cast("ArtifactType", found())
