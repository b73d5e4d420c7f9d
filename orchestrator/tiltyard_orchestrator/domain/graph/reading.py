"""Reads a graph file into a `Graph`, or tells everything that is wrong with its form.

The keys are Dioptra's (`types`, `parameters`, `artifact_inputs`, `tasks`, `graph`, `artifact_outputs`), read as its task
engine reads them, with `steps` and `artifacts` as other names for `graph` and `artifact_outputs`, and our `plugins`,
`name` and `description`. Whether the tasks are there and the arguments fit is `check_graph`'s to say.
"""

import re
from collections.abc import Mapping
from typing import Any

from tiltyard.wire.archives import Parameter
from tiltyard.wire.plugins import TaskInput, TaskOutput, Type
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.artifacts import read_input, read_output
from tiltyard_orchestrator.domain.graph.declared import Declared, place_of
from tiltyard_orchestrator.domain.graph.document import Document, read_document
from tiltyard_orchestrator.domain.graph.named_types import type_named
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.steps import read_step
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import (
    ITEM,
    ArtifactInput,
    ArtifactOutput,
    Definition,
    Graph,
    Step,
)
from tiltyard_orchestrator.domain.parameters import did_you_mean

_KEYS = (
    "name",
    "description",
    "plugins",
    "types",
    "parameters",
    "artifact_inputs",
    "tasks",
    "graph",
    "steps",
    "artifact_outputs",
    "artifacts",
)
_SAME = {"steps": "graph", "artifacts": "artifact_outputs"}
_PIN = re.compile(r"[a-z_][a-z0-9_]{0,99}(==[0-9A-Za-z][0-9A-Za-z.+_-]{0,63})?")


def read_graph(text: str) -> Graph | list[ProblemItem]:
    """Return the graph that a YAML text holds, or every problem with its form, in the order of the text."""
    document = read_document(text)
    if isinstance(document, ProblemItem):
        return [document]
    reader = _Reader(document)
    graph = reader.graph()
    return reader.tell.in_order() or graph


class _Reader:
    """One reading: the problems met so far, and a method for each part of the file."""

    def __init__(self, document: Document) -> None:
        self._value = document.value
        self.tell = Teller(document.places)

    def graph(self) -> Graph:
        top = self._top()
        types = self._mapping(top, "types")
        parameters, structured = self._parameters(top, types)
        graph = Graph(
            plugins=self._plugins(top.get("plugins")),
            parameters=parameters,
            structured=structured,
            inputs=self._inputs(top, types),
            definitions=self._definitions(top, types),
            steps=self._steps(top),
            outputs=self._outputs(top),
            places=self.tell.places,
        )
        self._names(graph)
        return graph

    def _top(self) -> dict[str, Any]:
        if not isinstance(self._value, dict):
            self.tell("malformed_graph", (), "a graph is a mapping: write `graph:` with its steps below")
            return {}
        top: dict[str, Any] = {}
        for key, value in self._value.items():
            if key not in _KEYS:
                hint = did_you_mean(str(key), _KEYS) or f": known are {', '.join(_KEYS)}"
                self.tell("unknown_key", (str(key),), f"{key!r} means nothing here{hint}", at_key=True)
            elif _SAME.get(key, key) in top:
                self.tell(
                    "malformed_graph",
                    (key,),
                    f"{key!r} says again what {_SAME.get(key, key)!r} said",
                    at_key=True,
                )
            else:
                top[key] = value
        return self._renamed(top)

    def _renamed(self, top: dict[str, Any]) -> dict[str, Any]:
        """The same keys by one name each, and the places with them."""
        for other, name in _SAME.items():
            if other not in top:
                continue
            if name in top:
                self.tell("malformed_graph", (name,), f"{name!r} says again what {other!r} said", at_key=True)
            top[name] = top.pop(other)
            self.tell.places = self.tell.places.renamed(other, name)
        return top

    def _mapping(self, top: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = top.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.tell("malformed_graph", (key,), f"`{key}` is a mapping of names")
            return {}
        named = {}
        for name, item in value.items():
            if isinstance(name, str) and name.strip():
                named[name] = item
            else:
                detail = f"{name!r} is no name: write it in quotes"
                self.tell("malformed_graph", (key, str(name)), detail, at_key=True)
        return named

    def _plugins(self, value: Any) -> list[str]:
        names = value if isinstance(value, list) else [] if value is None else [value]
        for index, one in enumerate(names):
            if not isinstance(one, str) or not _PIN.fullmatch(one):
                detail = f"{one!r} names no plugin: write `name` or `name==version`"
                self.tell("malformed_graph", ("plugins", index), detail)
        return [one for one in names if isinstance(one, str)]

    def _parameters(
        self, top: Mapping[str, Any], types: Mapping[str, Any]
    ) -> tuple[list[Parameter], Mapping[str, Type]]:
        declared = Declared(self._mapping(top, "parameters"), types)
        parameters, problems = declared.read()
        for problem in problems:
            code = problem.code.replace("mlproject", "graph")
            self.tell(code, place_of(problem), problem.detail)
        return parameters, declared.structured

    def _inputs(self, top: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, ArtifactInput]:
        fields = self._mapping(top, "artifact_inputs")
        found = {name: read_input(name, body, types, self.tell) for name, body in fields.items()}
        return {name: one for name, one in found.items() if one is not None}

    def _outputs(self, top: Mapping[str, Any]) -> list[ArtifactOutput]:
        fields = self._mapping(top, "artifact_outputs")
        return [one for name, body in fields.items() if (one := read_output(name, body, self.tell))]

    def _steps(self, top: Mapping[str, Any]) -> dict[str, Step]:
        fields = self._mapping(top, "graph")
        if not fields and not self.tell.problems:
            detail = "there is no step: write `graph:` with steps below, each with a task and its arguments"
            self.tell("malformed_graph", ("graph",), detail)
        found = {name: read_step(name, body, self.tell) for name, body in fields.items()}
        return {name: step for name, step in found.items() if step is not None}

    def _definitions(self, top: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Definition]:
        found = {}
        for name, body in self._mapping(top, "tasks").items():
            path = body.get("plugin") if isinstance(body, dict) else None
            if not isinstance(path, str) or not all(path.split(".")) or "." not in path:
                detail = f"the task {name!r} says where it is: `plugin: package.module.function`"
                self.tell("malformed_graph", ("tasks", name), detail)
                continue
            found[name] = Definition(
                path=path, inputs=_inputs_of(body, types), outputs=_outputs_of(body, types)
            )
        return found

    def _names(self, graph: Graph) -> None:
        taken: dict[str, str] = {}
        named = [
            *(("parameters", one.name) for one in graph.parameters),
            *(("artifact_inputs", name) for name in graph.inputs),
            *(("graph", name) for name in graph.steps),
        ]
        foreach = any(step.foreach is not None for step in graph.steps.values())
        for part, name in named:
            self._name(part, name, taken, foreach=foreach)

    def _name(self, part: str, name: str, taken: dict[str, str], *, foreach: bool) -> None:
        at: Path = (part, name)
        if "." in name or name.startswith("$"):
            detail = f"{name!r} cannot be referred to: a name has no dot and no dollar sign in front"
            self.tell("malformed_graph", at, detail, at_key=True)
        if name in taken:
            detail = f"the name {name!r} stands in {taken[name]!r} already: a reference could mean either"
            self.tell("name_taken", at, detail, at_key=True)
        if foreach and name == ITEM:
            self.tell("name_taken", at, "`$item` is what a step with `foreach` is used for", at_key=True)
        taken[name] = part


def _inputs_of(body: Mapping[str, Any], types: Mapping[str, Any]) -> list[TaskInput] | None:
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


def _outputs_of(body: Mapping[str, Any], types: Mapping[str, Any]) -> list[TaskOutput] | None:
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
