"""What references mean while a graph runs: the values of parameters, and what the steps so far have given."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiltyard.artifact_types import load
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import Kind
from tiltyard_orchestrator.domain.graph import ArtifactInput, Graph
from tiltyard_orchestrator.domain.graph.references import Reference
from tiltyard_orchestrator.domain.graph.values import ITEM

_SORTS = {
    Kind.array: "array",
    Kind.table: "table",
    Kind.model: "model",
    Kind.string: "text",
    Kind.path: "path",
}


class NotGiven(Exception):
    """A file that a graph needs cannot be loaded, or a value is no JSON; the message says which."""


class Memory:
    """The values of one run."""

    def __init__(self, graph: Graph, values: Mapping[str, Json]) -> None:
        """Load what is given with the job. Raises `NotGiven`."""
        self._single: dict[str, Any] = {
            name: _decoded(name, value) if name in graph.structured else value
            for name, value in values.items()
        }
        self._several: dict[str, dict[str, Any]] = {}
        for name, described in graph.inputs.items():
            self._single.pop(name, None)
            self._several[name] = _loaded(described, values.get(name))

    def keep(self, step: str, outputs: dict[str, Any]) -> None:
        """Note what a step has given."""
        self._several[step] = outputs

    def look_up(self, found: Reference) -> Any:
        """Return what a reference means."""
        if found.name in self._single:
            return self._single[found.name]
        outputs = self._several[found.name]
        return next(iter(outputs.values())) if found.output is None else outputs[found.output]

    def with_item(self, item: Any) -> "_WithItem":
        """The same, and `$item`."""
        return _WithItem(self, item)


class _WithItem:
    def __init__(self, memory: Memory, item: Any) -> None:
        self._memory = memory
        self._item = item

    def look_up(self, found: Reference) -> Any:
        return self._item if found.name == ITEM else self._memory.look_up(found)


def _decoded(name: str, value: Json) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise NotGiven(f"the parameter {name!r} is no JSON: {error}") from error


def _loaded(described: ArtifactInput, value: Json) -> dict[str, Any]:
    path = Path(str(value))
    kind = described.outputs[0].type.kind if len(described.outputs) == 1 else None
    sort = None if path.suffix in (".json", ".npz") or kind is None else _SORTS.get(kind)
    try:
        held = load(path, sort)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise NotGiven(f"the artifact {described.name!r} could not be loaded from {path}: {what}") from error
    names = [one.name for one in described.outputs]
    if len(names) == 1:
        return {names[0]: held}
    if isinstance(held, Mapping):
        return {name: held[name] for name in names if name in held}
    return dict(zip(names, held, strict=False))
