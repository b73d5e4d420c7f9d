"""Reads what a graph takes as artifacts, and what it keeps.

    artifact_inputs:
      images: {data: array}             what loading it gives: names and types
    artifact_outputs:
      adversarial: $attack              saved as its type says
      report:
        contents: $metrics
        task: {name: table, args: {format: csv}}

`task` names an artifact type: one of the SDK's (`array`, `table`, `json`, ...), or one of a plugin, such as Dioptra's
artifact tasks.
"""

from collections.abc import Mapping
from typing import Any

from tiltyard.wire.plugins import TaskOutput
from tiltyard_orchestrator.domain.graph.keys import as_meant
from tiltyard_orchestrator.domain.graph.named_types import DefinedTypes, type_named
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import ArtifactInput, ArtifactOutput

_KEYS = ("contents", "task")


def read_input(name: str, body: Any, types: DefinedTypes, tell: Teller) -> ArtifactInput | None:
    """Return the artifact input under `name`: `{output: type}`, a list of these, or a type alone."""
    listed = body if isinstance(body, list) else [body]
    outputs = []
    for one in listed:
        match one:
            case str():
                outputs.append(TaskOutput(name=name, type=type_named(one, types)))
            case dict() if one and all(isinstance(key, str) for key in one):
                outputs += [TaskOutput(name=key, type=type_named(kind, types)) for key, kind in one.items()]
            case _:
                tell(
                    "malformed_graph",
                    ("artifact_inputs", name),
                    "an artifact input says what it holds: `{data: array}`",
                )
                return None
    return ArtifactInput(name=name, outputs=outputs)


def read_output(name: str, body: Any, tell: Teller) -> ArtifactOutput | None:
    """Return the artifact output under `name`, as far as it can be read: `contents`, and the `task` that saves them."""
    at: Path = ("artifact_outputs", name)
    if "/" in name or name.startswith("."):
        tell("malformed_graph", at, f"{name!r} is no name of a file", at_key=True)
    if isinstance(body, str):
        return ArtifactOutput(name=name, contents=body)
    if isinstance(body, dict):
        body = as_meant(body, _KEYS, at, tell, where="here", wanted=": an artifact has `contents` and `task`")
    if not isinstance(body, dict) or body.get("contents") is None:
        tell("malformed_graph", at, f"the artifact {name!r} says what it holds: `contents: $step`")
    return _with_task(name, body, tell) if isinstance(body, dict) else None


def _with_task(name: str, body: Mapping[str, Any], tell: Teller) -> ArtifactOutput:
    at: Path = ("artifact_outputs", name, "task")
    written = body.get("task")
    fields = written if isinstance(written, dict) else {"name": written}
    task, options = fields.get("name"), fields.get("args") or {}
    if not isinstance(options, dict) or not set(fields) <= {"name", "args"} or not _is_name(task, written):
        tell("malformed_graph", at, "`task` is the name of an artifact type, or `{name: ..., args: {...}}`")
        return ArtifactOutput(name=name, contents=body.get("contents"))
    named = {str(key): value for key, value in options.items()}
    return ArtifactOutput(name=name, contents=body.get("contents"), task=task, options=named)


def _is_name(task: object, written: object) -> bool:
    return (isinstance(task, str) and bool(task)) or written is None
