"""A graph entry point of an MLproject: `graph: attack.yaml` in place of `command:`.

The file is read when the archive is stored, and refused then for its form alone; whether its tasks are there is asked when
a job is submitted, against the versions that the job gets. Who is refused is told both at once. Its command hands the values
to the runner, each as one argument.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tiltyard.wire.archives import GraphFile, Parameter
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import Catalogue, Graph, check_graph, read_graph
from tiltyard_orchestrator.domain.graph.document import LONGEST_TEXT
from tiltyard_orchestrator.domain.parameters import pointer

RUNNER = "python -m tiltyard_workers.runner"

Texts = Mapping[str, bytes]
"""The files that an MLproject names, by their paths below its folder, as far as they are there."""


@dataclass(frozen=True, kw_only=True)
class GraphEntry:
    """What the file of a graph entry point says."""

    file: GraphFile
    graph: Graph

    @property
    def parameters(self) -> list[Parameter]:
        """Those that the file declares itself."""
        return self.graph.declared

    def problems(
        self, catalogue: Catalogue | None = None, parameters: list[Parameter] | None = None
    ) -> list[ProblemItem]:
        """Return everything that is wrong: with its form, and with these tasks and parameters where they are known."""
        told = self.graph.problems if catalogue is None else check_graph(self.graph, catalogue, parameters)
        return in_file(told, self.file.path)


def graph_paths(document: object) -> set[str]:
    """Return the files that an MLproject names as graphs; what is malformed is told when it is read as a whole."""
    entries = document.get("entry_points") if isinstance(document, dict) else None
    named = [entry.get("graph") for entry in entries.values() if isinstance(entry, dict)] if isinstance(
        entries, dict
    ) else []  # fmt: skip
    return {path for one in named if (path := clean(one)) is not None}


def clean(path: object) -> str | None:
    """Return a path below the MLproject's folder in its one form; None where it is none."""
    if not isinstance(path, str) or "\\" in path or "\0" in path:
        return None
    parts = PurePosixPath(path).parts
    inside = bool(parts) and not path.startswith("/") and ".." not in parts
    return str(PurePosixPath(path)) if inside else None


def read_graph_entry(path: object, texts: Texts, at: tuple[str, ...]) -> GraphEntry | list[ProblemItem]:
    """Return what the graph file at a path says, in form or not; or why nothing could be read of it.

    Args:
        path: as the MLproject gives it.
        texts: the files.
        at: where the MLproject gives it.
    """
    name = clean(path)
    if name is None:
        return [
            _problem(at, "malformed_mlproject", "a graph is a file below the MLproject's folder, by its path")
        ]
    text = _text(name, texts.get(name), at)
    if isinstance(text, ProblemItem):
        return [text]
    return GraphEntry(file=GraphFile(path=name, text=text), graph=read_graph(text))


def _text(name: str, data: bytes | None, at: tuple[str, ...]) -> str | ProblemItem:
    if data is None:
        return _problem(at, "missing_graph", f"there is no file {name} in the archive, beside the MLproject")
    if len(data) > LONGEST_TEXT:
        return _problem(at, "graph_too_large", f"{name} is over {LONGEST_TEXT // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _problem(at, "malformed_graph", f"{name} is not UTF-8")
    return _problem(at, "malformed_graph", f"{name} holds NUL characters") if "\0" in text else text


def in_file(problems: Iterable[ProblemItem], path: str) -> list[ProblemItem]:
    """Return the problems of a graph, each with the file before its place."""
    prefix = pointer(path)
    return [one.model_copy(update={"pointer": f"{prefix}{one.pointer}"}) for one in problems]


def command_for(entry_point: str, path: str, parameters: list[Parameter]) -> str:
    """Return the command that runs a graph with these parameters."""
    words = [shlex.quote(f"--entry-point={entry_point}"), shlex.quote(path)]
    literal = " ".join(words).replace("{", "{{").replace("}", "}}")
    return " ".join([RUNNER, literal, *(f"{one.name}={{{one.name}}}" for one in parameters)])


def _problem(at: tuple[str, ...], code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer(*at), code=code, detail=detail)
