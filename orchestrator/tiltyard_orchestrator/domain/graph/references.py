"""References in arguments: `$eps` is a parameter or a step's only output, `$data.x_test` one of several outputs.

A reference is a whole text, wherever it stands in lists and mappings (keys are never one). `$$5` is the text `$5`: the
first dollar sign escapes, and one alone is itself. What follows the first dot is the name of an output.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tiltyard_orchestrator.domain.graph.places import Path


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A parameter, a step or an artifact input, and which of its outputs."""

    name: str
    output: str | None = None

    def __str__(self) -> str:
        return f"${self.name}" if self.output is None else f"${self.name}.{self.output}"


def reference(value: object) -> Reference | None:
    """Return the reference that a value is, or None where it is none."""
    if not isinstance(value, str) or value == "$" or not value.startswith("$") or value.startswith("$$"):
        return None
    name, dot, output = value[1:].partition(".")
    return Reference(name=name, output=output if dot else None)


def unescaped(value: str) -> str:
    """Return the text that a value which is no reference stands for."""
    return value[1:] if value.startswith("$$") else value


def references(value: object, path: Path = ()) -> Iterator[tuple[Path, Reference]]:
    """Every reference in a value, and its path."""
    match value:
        case str():
            found = reference(value)
            if found is not None:
                yield path, found
        case dict():
            for key, item in value.items():
                yield from references(item, (*path, str(key)))
        case list():
            for index, item in enumerate(value):
                yield from references(item, (*path, index))
        case _:
            pass


def resolve(value: Any, look_up: Callable[[Reference], Any]) -> Any:
    """Return a value with every reference replaced by what it refers to, and every escape by its text."""
    match value:
        case str():
            found = reference(value)
            return unescaped(value) if found is None else look_up(found)
        case dict():
            return {key: resolve(item, look_up) for key, item in value.items()}
        case list():
            return [resolve(item, look_up) for item in value]
        case _:
            return value
