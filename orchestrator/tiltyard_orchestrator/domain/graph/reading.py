"""Reads a graph file into a `Graph`, with everything that is wrong with its form.

The keys are Dioptra's (`types`, `parameters`, `artifact_inputs`, `tasks`, `graph`, `artifact_outputs`), read as its task
engine reads them, with `steps` and `artifacts` as other names for `graph` and `artifact_outputs`, and our `plugins`,
`name` and `description`. Whether the tasks are there and the arguments fit is `check_graph`'s to say, of a graph that is
not in form as well: what could not be read is in `unread`, so that a mistake is told once, where it is.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from tiltyard.wire.archives import Parameter
from tiltyard.wire.plugins import PLUGIN_NAME, PLUGIN_VERSION, Type
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.artifacts import read_input, read_output
from tiltyard_orchestrator.domain.graph.declared import Declared, place_of
from tiltyard_orchestrator.domain.graph.definitions import read_definition
from tiltyard_orchestrator.domain.graph.document import Document, read_document
from tiltyard_orchestrator.domain.graph.keys import as_meant
from tiltyard_orchestrator.domain.graph.named_types import DefinedTypes
from tiltyard_orchestrator.domain.graph.naming import tell_names
from tiltyard_orchestrator.domain.graph.steps import read_step
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import Graph, Step, Unread

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
_NAMED = ("parameters", "artifact_inputs", "graph")
"""The parts whose names references may be to."""
_READ_ANYWAY = ("graph", "artifact_outputs")
"""The parts in which what stands under a bad name can be wrong in itself."""
_PIN = re.compile(f"{PLUGIN_NAME}(=={PLUGIN_VERSION})?")
_NO_NAMES = ("yes", "no", "on", "off", "true", "false", "null", "~")
_Part = TypeVar("_Part")


def read_graph(text: str) -> Graph:
    """Return the graph that a YAML text holds, as far as it can be read, with every problem with its form."""
    document = read_document(text)
    if isinstance(document, ProblemItem):
        return Graph(problems=[document], unread=Unread(any_name=True, any_task=True))
    return _Reader(document).graph()


class _Reader:
    """One reading: the problems met so far, what could not be read, and a method for each part of the file."""

    def __init__(self, document: Document) -> None:
        self._value = document.value
        self._tell = Teller(document.places)
        self._tell.problems += document.problems
        self._unread: set[str] = set()
        self._no_mapping: set[str] = set()
        """Parts that should be, and of which nothing could be read."""

    def graph(self) -> Graph:
        top = self._top()
        types = DefinedTypes(self._mapping(top, "types"))
        parts = {key: self._mapping(top, key) for key in (*_NAMED, "tasks", "artifact_outputs")}
        parameters, structured = self._parameters(parts["parameters"], types)
        inputs = self._parts(parts["artifact_inputs"], partial(read_input, types=types, tell=self._tell))
        definitions = self._parts(parts["tasks"], partial(read_definition, types=types, tell=self._tell))
        steps = self._steps(top, parts["graph"])
        outputs = self._parts(parts["artifact_outputs"], partial(read_output, tell=self._tell))
        if types.make_too_much:
            detail = "the types name each other so often that they make too much: say less in each"
            self._tell("malformed_graph", ("types",), detail, at_key=True)
        plugins, all_plugins = self._plugins(top.get("plugins"))
        foreach = any(step.foreach is not None for step in steps.values())
        tell_names({part: parts[part] for part in _NAMED}, self._tell, foreach=foreach)
        read = {one.name for one in parameters} | inputs.keys() | steps.keys()
        unread = {name for part in _NAMED for name in parts[part]} - read
        return Graph(
            plugins=plugins,
            parameters=parameters,
            structured=structured,
            inputs=inputs,
            definitions=definitions,
            steps=steps,
            outputs=list(outputs.values()),
            places=self._tell.places,
            problems=self._tell.in_order(),
            unread=Unread(
                names=frozenset(map(_start, unread | self._unread)),
                any_name=not self._no_mapping.isdisjoint(_NAMED),
                tasks=frozenset(parts["tasks"].keys() - definitions.keys()),
                any_task="tasks" in self._no_mapping or not all_plugins,
            ),
        )

    def _top(self) -> dict[str, Any]:
        """The file's mapping, by one name for each key."""
        if not isinstance(self._value, dict):
            self._tell("malformed_graph", (), "a graph is a mapping: write `graph:` with its steps below")
            self._no_mapping.update(_NAMED)
            return {}
        known = ", ".join(_KEYS)
        top = as_meant(self._value, _KEYS, (), self._tell, where="here", wanted=f": known are {known}")
        for key, value in self._value.items():
            if key not in _KEYS and isinstance(value, dict):
                self._unread.update(map(str, value))  # what may be declared there is not missed elsewhere
        for other, name in _SAME.items():
            if other in top and name in top:
                self._tell(
                    "malformed_graph", (other,), f"{other!r} says again what {name!r} said", at_key=True
                )
                del top[other]
            elif other in top:
                top[name] = top.pop(other)
                self._tell.call((other,), name)
        return top

    def _mapping(self, top: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = top.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._tell("malformed_graph", (key,), f"`{key}` is a mapping of names")
            self._no_mapping.add(key)
            return {}
        named = {}
        for name, item in value.items():
            if isinstance(name, str) and name.strip():
                named[name] = item
            else:
                detail = f"{name!r} is no name: write it in quotes"
                self._tell("malformed_graph", (key, str(name)), detail, at_key=True)
                self._unread |= _spellings(name)
                if key in _READ_ANYWAY:
                    named.setdefault(str(name), item)
        return named

    def _parts(self, fields: Mapping[str, Any], read: Callable[[str, Any], _Part | None]) -> dict[str, _Part]:
        found = {name: read(name, body) for name, body in fields.items()}
        return {name: one for name, one in found.items() if one is not None}

    def _plugins(self, value: Any) -> tuple[list[str], bool]:
        """The plugins that the file lists, and whether these are all."""
        names = value if isinstance(value, list) else [] if value is None else [value]
        pins: dict[str, str] = {}
        for index, one in enumerate(names):
            at = ("plugins", index)
            if not isinstance(one, str) or not _PIN.fullmatch(one):
                detail = f"{one!r} names no plugin: write `name` or `name==version`"
                self._tell("malformed_graph", at, detail)
                continue
            before = pins.setdefault(one.partition("==")[0], one) if "==" in one else one
            if before != one:
                detail = f"{before!r} is named already: a job sees one version of a plugin"
                self._tell("conflicting_versions", at, detail)
        read = [one for one in names if isinstance(one, str) and _PIN.fullmatch(one)]
        return read, len(read) == len(names)

    def _parameters(
        self, fields: Mapping[str, Any], types: DefinedTypes
    ) -> tuple[list[Parameter], Mapping[str, Type]]:
        declared = Declared(fields, types)
        parameters, problems = declared.read()
        for problem in problems:
            if problem.code == "unknown_type" and "types" in self._no_mapping:
                continue  # it may be one of those that could not be read
            self._tell(problem.code.replace("mlproject", "graph"), place_of(problem), problem.detail)
        return parameters, declared.structured

    def _steps(self, top: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Step]:
        if isinstance(self._value, dict) and top.get("graph") in (None, {}):
            detail = "there is no step: write `graph:` with steps below, each with a task and its arguments"
            self._tell("malformed_graph", ("graph",), detail)
        return self._parts(fields, partial(read_step, tell=self._tell))


def _spellings(key: object) -> set[str]:
    """What a reference may call a name that YAML took for something else: `5`, or `yes` and its like."""
    words = [str(key)] if key is not None and not isinstance(key, bool) else _NO_NAMES
    return {form for word in words for form in (word, word.capitalize(), word.upper())}


def _start(name: str) -> str:
    """What a reference to a name begins with, for one that has a dot or a dollar sign."""
    return name.lstrip("$").partition(".")[0]
