"""What a runner is given: the graph file, the values of its parameters, and where artifacts go.

Values are words `name=value`. A list takes all the words up to the next `name=` of a declared parameter, as a command puts
them there. What the MLproject beside the graph declares for it counts as much as what the graph declares itself.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiltyard.archive.project import read_document
from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard_orchestrator.domain.entry_point import DEFAULT_OUTPUTS, read_project


@dataclass(frozen=True, kw_only=True)
class Words:
    """A command line, read."""

    graph: Path
    outputs: Path | None
    entry_point: str | None
    values: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the MLproject beside a graph says for it."""

    parameters: Sequence[Parameter] = ()
    outputs: str = DEFAULT_OUTPUTS


def read_words(arguments: Sequence[str]) -> Words:
    """Return what a command line says."""
    parser = argparse.ArgumentParser(prog="python -m tiltyard_workers.runner", description=__doc__)
    parser.add_argument("graph", type=Path, help="the graph file")
    parser.add_argument("values", nargs="*", metavar="name=value", help="values of its parameters")
    parser.add_argument("--outputs", type=Path, help="the folder for artifacts")
    parser.add_argument("--entry-point", help="which of the MLproject's entry points it is run as")
    # What begins with a dash may be a value: only what stands before the graph is an option.
    options, values = _split(arguments)
    read = parser.parse_args(options)
    return Words(
        graph=read.graph, outputs=read.outputs, entry_point=read.entry_point, values=[*read.values, *values]
    )


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    for index, word in enumerate(arguments):
        before = arguments[index - 1] if index else ""
        if not word.startswith("-") and before not in ("--outputs", "--entry-point"):
            return list(arguments[: index + 1]), list(arguments[index + 1 :])
    return list(arguments), []


def values_of(words: Sequence[str], declared: Sequence[Parameter]) -> dict[str, Json]:
    """Return the given values by name, lists as lists of texts. Raises ValueError for a word that is none."""
    lists = {one.name for one in declared if one.type is ParameterType.list}
    names = {one.name for one in declared}
    found: dict[str, Json] = {}
    last: list[Json] | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if last is not None and (not equals or name not in names):
            last.append(word)
        elif not equals:
            raise ValueError(f"{word!r} is no value of a parameter: write name=value")
        elif name in lists:
            last = [value] if value else []
            found[name] = last
        else:
            found[name], last = value, None
    # A list may also come as one text: JSON, or with commas.
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in found.items()
    }


def surroundings_of(graph: Path, entry_point: str | None) -> Surroundings:
    """Return what the MLproject in the graph's folder, or above it, says for this graph."""
    for folder in (graph.parent, *graph.absolute().parent.parents[:4]):
        project = folder / "MLproject"
        if project.is_file():
            return _declared_in(project, graph, entry_point)
    return Surroundings()


def _declared_in(project: Path, graph: Path, entry_point: str | None) -> Surroundings:
    document = read_document(project.read_bytes())
    entries = document.get("entry_points") if isinstance(document, dict) else None
    for name, body in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(body, dict) or (entry_point is not None and name != entry_point):
            continue
        named = body.get("graph")
        if isinstance(named, str) and (project.parent / named).resolve() == graph.resolve():
            return _as_declared(body)
    return Surroundings()


def _as_declared(body: Mapping[object, object]) -> Surroundings:
    # Read as an entry point with a command, which is what it becomes.
    known = {key: body[key] for key in ("parameters", "outputs") if body.get(key) is not None}
    project = read_project({"entry_points": {"main": {"command": "true", **known}}})
    if isinstance(project, list):
        return Surroundings()  # whoever takes the archive tells that
    [entry] = project.entry_points
    return Surroundings(parameters=entry.parameters, outputs=entry.outputs or DEFAULT_OUTPUTS)
