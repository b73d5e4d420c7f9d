"""Makes an archive's folder of each entry point that is described: an MLproject, and the graph.

What its author wrote stands at the end of the graph file, letter by letter; above it stands what was described elsewhere:
the plugins, the parameters, the artifact inputs, and the names of the results of the tasks that it uses.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tiltyard.wire.archives import Parameter
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import Catalogue, check_graph, read_graph
from tiltyard_orchestrator.domain.graph.document import Document, read_document
from tiltyard_orchestrator.domain.parameters import did_you_mean, pointer
from tiltyard_workers.dioptra.description import NAME, Description, DioptraEntryPoint, Listed
from tiltyard_workers.dioptra.plugins import Converted

_SCALARS = {"string", "integer", "float", "boolean"}


@dataclass(frozen=True, kw_only=True)
class Archived:
    """An entry point as it can be submitted."""

    described: DioptraEntryPoint
    folder: str
    files: dict[str, bytes]
    needed: list[Parameter]
    """What must be given with a job."""


def convert_entry_points(
    folder: Path, description: Description, plugins: Sequence[Converted]
) -> list[Archived] | list[ProblemItem]:
    """Return the entry points of a folder, or every problem with them."""
    found: list[Archived] = []
    problems: list[ProblemItem] = []
    names: set[str] = set()
    for one in description.entry_points:
        called = _slug(one.name)
        if called in names:
            detail = f"there is a second entry point that would be called {called!r}"
            problems.append(_problem(one, "two_entry_points", detail))
        names.add(called)
        archived = _Conversion(folder, description, plugins, one).convert()
        if isinstance(archived, Archived):
            found.append(archived)
        else:
            problems += archived
    return problems or found


class _Conversion:
    """Of one entry point."""

    def __init__(
        self, folder: Path, description: Description, plugins: Sequence[Converted], entry: DioptraEntryPoint
    ) -> None:
        self._path = folder / entry.path
        self._types = description.types
        self._entry = entry
        self._plugins = {one.source.name: one for one in plugins}
        self._problems: list[ProblemItem] = []

    def convert(self) -> Archived | list[ProblemItem]:
        self._plugins_are_there()
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return [
                *self._problems,
                _problem(self._entry, "no_file", f"{self._entry.path} cannot be read: {error}"),
            ]
        document = read_document(text)
        if not isinstance(document, Document):
            return [*self._problems, self._in_file(document)]
        whole, above = self._whole(text, document.value)
        graph = read_graph(whole)
        if not self._plugins.keys() >= set(self._entry.plugins):  # whose tasks those may be that nobody knows
            graph = replace(graph, unread=replace(graph.unread, any_task=True))
        catalogue = Catalogue(
            (task for name in self._named() for task in self._plugins[name].source.tasks),
            {name: self._plugins[name].artifact_types for name in self._named()},
            absent=dict.fromkeys(self._missing()),
        )
        self._problems += [self._in_file(one, above) for one in check_graph(graph, catalogue)]
        needed = [one for one in graph.declared if one.required]
        return self._problems or self._archived(whole, needed)

    def _archived(self, graph: str, needed: list[Parameter]) -> Archived:
        called = _slug(self._entry.name)
        project = {"name": self._entry.name, "entry_points": {"main": {"graph": f"{called}.yaml"}}}
        lines = [f"# {line}".rstrip() for line in self._entry.description.splitlines()]
        text = "\n".join([*lines, _yaml(project)])
        return Archived(
            described=self._entry,
            folder=called,
            files={"MLproject": text.encode(), f"{called}.yaml": graph.encode()},
            needed=needed,
        )

    def _plugins_are_there(self) -> None:
        for name in self._missing():
            hint = did_you_mean(name, self._plugins)
            detail = f"{self._entry.name!r} uses the plugin {name!r}, which is not described{hint}"
            self._problems.append(_problem(self._entry, "unknown_plugin", detail))

    def _named(self) -> list[str]:
        return [name for name in self._all_named() if name in self._plugins]

    def _missing(self) -> list[str]:
        return [name for name in self._all_named() if name not in self._plugins]

    def _all_named(self) -> list[str]:
        return list(dict.fromkeys((*self._entry.plugins, *self._entry.artifact_plugins)))

    def _whole(self, text: str, written: Any) -> tuple[str, int]:
        """The graph file, and how many lines stand above those of its author."""
        own = written if isinstance(written, dict) else {}
        added = {
            "plugins": self._named(),
            "types": {name: one for name, one in self._types.items() if one is not None},
            "parameters": self._parameters(),
            "artifact_inputs": self._artifact_inputs(),
            "tasks": self._tasks(own.get("graph")),
        }
        added = {key: value for key, value in added.items() if value and key not in own}
        head = f"{_yaml(added)}\n" if added else ""
        whole = head + text.rstrip() + "\n"
        if isinstance(read_document(whole), Document):
            return whole, head.count("\n")
        # A document that begins with a mark of its own, or stands in one line, is written anew.
        return _yaml({**added, **own}), 0

    def _parameters(self) -> dict[str, Any]:
        return {str(one.get("name")): self._parameter(one) for one in self._entry.parameters}

    def _parameter(self, one: dict[str, Any]) -> dict[str, Any]:
        kind, default = one.get("type", "string"), one.get("default_value")
        if kind not in _SCALARS:
            default = self._from_json(str(one.get("name")), default)
        body = {"type": {"list": "any"} if kind == "list" else kind}
        return body if default is None else {**body, "default": default}

    def _from_json(self, name: str, default: object) -> Any:
        if not isinstance(default, str):
            return default
        try:
            return json.loads(default)
        except ValueError as error:
            detail = f"the default of {name!r} is no JSON: {error}"
            self._problems.append(_problem(self._entry, "mistyped_default", detail))
            return None

    def _artifact_inputs(self) -> dict[str, Any]:
        return {
            str(one.get("name")): _results(one.get("output_params") or [])
            for one in self._entry.artifact_inputs
        }

    def _tasks(self, graph: Any) -> dict[str, Any]:
        """The tasks that the graph uses, as the description has them."""
        steps = graph.values() if isinstance(graph, dict) else ()
        used = {str(name) for step in steps if isinstance(step, dict) for name in (step.get("task"), *step)}
        found: dict[str, Any] = {}
        for plugin in filter(self._plugins.__contains__, self._entry.plugins):
            for one in self._plugins[plugin].described.functions:
                if one.name not in used:
                    continue
                path = ".".join(filter(None, (plugin, one.module, one.name)))
                if one.name in found:
                    detail = f"{one.name!r} could be {found[one.name]['plugin']} or {path}"
                    self._problems.append(_problem(self._entry, "ambiguous_task", detail))
                found[one.name] = _definition(one, path)
        return found

    def _in_file(self, problem: ProblemItem, above: int = 0) -> ProblemItem:
        """A problem of the graph, where its author finds it; of what was put above, without a line."""
        line = None if problem.line is None or problem.line <= above else problem.line - above
        place = {"line": line, "column": problem.column if line else None}
        return problem.model_copy(update={"pointer": f"/{self._entry.path}{problem.pointer}", **place})


def _definition(one: Listed, path: str) -> dict[str, Any]:
    body: dict[str, Any] = {"plugin": path}
    if one.inputs:
        body["inputs"] = one.inputs
    if one.outputs:
        body["outputs"] = _results(one.outputs)
    return body


def _results(tables: Sequence[dict[str, Any]]) -> Any:
    results = [{str(one.get("name")): one.get("type", "any")} for one in tables]
    return results[0] if len(results) == 1 else results


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "entry-point"


def _problem(entry: DioptraEntryPoint, code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer(NAME, *entry.at), code=code, detail=detail)
