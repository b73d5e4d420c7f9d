"""Reads the tasks that a graph describes itself, as Dioptra's do: where they are, what they take and what they give.

tasks:
  hello: {plugin: hello_world.tasks.hello, inputs: [{name: string}], outputs: {greeting: string}}
"""

from collections.abc import Mapping
from typing import Any

from tiltyard.wire.plugins import TaskInput, TaskOutput
from tiltyard_orchestrator.domain.graph.named_types import DefinedTypes, type_named
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import Definition


def read_definition(name: str, body: Any, types: DefinedTypes, tell: Teller) -> Definition | None:
    """Return the task that is described under `name`, or None where that was told."""
    path = body.get("plugin") if isinstance(body, dict) else None
    if not isinstance(path, str) or not all(path.split(".")) or "." not in path:
        detail = f"the task {name!r} says where it is: `plugin: package.module.function`"
        tell("malformed_graph", ("tasks", name), detail)
        return None
    return Definition(path=path, inputs=_inputs_of(body, types), outputs=_outputs_of(body, types))


def _inputs_of(body: Mapping[str, Any], types: DefinedTypes) -> list[TaskInput] | None:
    if not isinstance(body.get("inputs"), list):
        return None
    found = []
    for one in body["inputs"]:
        match one:
            case {"name": str(name), "type": written}:
                kind = type_named(written, types)
                found.append(TaskInput(name=name, type=kind, required=one.get("required") is not False))
            case dict() if len(one) == 1:
                [(name, kind)] = one.items()
                found.append(TaskInput(name=str(name), type=type_named(kind, types)))
            case _:
                pass
    return found


def _outputs_of(body: Mapping[str, Any], types: DefinedTypes) -> list[TaskOutput] | None:
    written = body.get("outputs")
    if written is None:
        return None
    listed = written if isinstance(written, list) else [written]
    return [
        TaskOutput(name=str(name), type=type_named(kind, types))
        for one in listed
        if isinstance(one, dict)
        for name, kind in one.items()
    ]
