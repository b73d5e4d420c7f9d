"""What is to be run: the entry point of a folder with an MLproject, or a graph file by itself, with values checked."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiltyard.archive.project import read_document
from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.command import render
from tiltyard_orchestrator.domain.entry_point import DEFAULT_OUTPUTS, Draft, read_draft
from tiltyard_orchestrator.domain.graph_entry import graph_paths
from tiltyard_orchestrator.domain.parameters import bind, did_you_mean, listed

GRAPHS = (".yaml", ".yml")


class Refused(Exception):
    """What was given cannot be run; it holds every problem."""

    def __init__(self, problems: Sequence[ProblemItem]) -> None:
        super().__init__("\n".join(map(told, problems)))
        self.problems = list(problems)


@dataclass(frozen=True, kw_only=True)
class Project:
    """An entry point where it lies."""

    folder: Path
    entry_point: EntryPoint

    @property
    def outputs(self) -> Path:
        """Where it leaves its artifacts."""
        return self.folder / (self.entry_point.outputs or DEFAULT_OUTPUTS)

    def command(self, given: Mapping[str, Json]) -> str:
        """Return the command with these values. Raises `Refused`."""
        bound = bind(self.entry_point.parameters, given)
        if isinstance(bound, list):
            raise Refused(bound)
        values = bound.values
        if self.entry_point.graph is not None:  # its runner reads each value from one argument
            values = {name: json.dumps(one) if isinstance(one, list) else one for name, one in values.items()}
        return render(self.entry_point.command, values)


def read(path: Path) -> tuple[Path, Draft]:
    """Return the folder of an MLproject or a graph file, and what it declares, in form or not. Raises `Refused`."""
    if path.is_file() and path.suffix.lower() in GRAPHS:
        return path.parent, _lone_graph(path)
    folder = path if path.is_dir() else path.parent
    document_path = next((one for one in sorted(folder.iterdir()) if one.name.lower() == "mlproject"), None)
    if document_path is None:
        raise _refused(
            "no_mlproject", f"there is no MLproject in {folder}: give its folder, or a graph as .yaml"
        )
    document = read_document(document_path.read_bytes())
    if isinstance(document, list):
        raise Refused(document)
    texts = {one: (folder / one).read_bytes() for one in graph_paths(document) if (folder / one).is_file()}
    return folder, read_draft(document, texts)


def unknown_entry_point(entry: str, names: Collection[str]) -> ProblemItem:
    """The problem that there is no entry point of this name."""
    hint = did_you_mean(entry, names) or f": there is {listed(names)}"
    detail = f"there is no entry point {entry!r}{hint}"
    return ProblemItem(pointer="", code="unknown_entry_point", detail=detail)


def _lone_graph(path: Path) -> Draft:
    # As the MLproject that it needs none of.
    return read_draft({"entry_points": {"main": {"graph": path.name}}}, {path.name: path.read_bytes()})


def _refused(code: str, detail: str) -> Refused:
    return Refused([ProblemItem(pointer="", code=code, detail=detail)])


def told(problem: ProblemItem) -> str:
    """Return a problem as a line: where it stands, and what it is."""
    file = problem.pointer.split("/")[1].replace("~1", "/").replace("~0", "~") if problem.line else ""
    return f"{file}:{problem.line}:{problem.column}: {problem.detail}" if problem.line else problem.detail
