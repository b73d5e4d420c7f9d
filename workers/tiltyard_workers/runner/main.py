"""The runner's command: reads, checks and runs a graph, and says in one sentence what was wrong."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import Graph, check_graph, plan, read_graph
from tiltyard_orchestrator.domain.parameters import bind
from tiltyard_workers.runner.finding import Found, find
from tiltyard_workers.runner.functions import NotLoaded, function_of
from tiltyard_workers.runner.given import Surroundings, Words, read_words, surroundings_of, values_of
from tiltyard_workers.runner.memory import Memory, NotGiven


class Wrong(Exception):
    """A graph that cannot be run; the message has all its problems, one a line."""


def main(arguments: Sequence[str]) -> int:
    """Run a graph; return the exit code."""
    words = read_words(arguments)
    os.environ.setdefault("MPLBACKEND", "Agg")  # steps draw in threads, and nobody looks on
    sys.path.insert(0, str(Path.cwd()))
    try:
        run(words)
    except (Wrong, NotGiven, NotLoaded) as error:
        print(f"{words.graph}: {error}", file=sys.stderr)  # noqa: T201 - a job's log is what it prints
        return 1
    except Exception as error:  # noqa: BLE001 - every end has a sentence
        print(_sentence(words.graph, error), file=sys.stderr)  # noqa: T201
        return 1
    return 0


def run(words: Words) -> None:
    """Run a graph. Raises what was wrong with it."""
    surroundings = surroundings_of(words.graph, words.entry_point)
    graph = _read(words.graph)
    found = _checked(graph, surroundings)
    memory = _memory(graph, surroundings, words.values)
    planned = plan(graph, found.catalogue)
    functions = {one.task.path: function_of(one.task) for one in planned.steps}
    # Prefect takes seconds to load: a graph that cannot run is told before.
    from tiltyard_workers.runner.flow import Run, run_plan  # noqa: PLC0415
    from tiltyard_workers.runner.keeping import Keeping  # noqa: PLC0415

    keeping = Keeping(words.outputs or Path(surroundings.outputs), found, memory)
    run_plan(words.graph.stem, Run(planned, functions, memory, keeping), len(planned.steps))


def _read(path: Path) -> Graph:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"it cannot be read: {error}") from error
    return read_graph(text)


def _checked(graph: Graph, surroundings: Surroundings) -> Found:
    found = find(graph)
    problems = [*found.problems, *check_graph(graph, found.catalogue, list(surroundings.parameters))]
    if problems:
        raise Wrong(_listed(problems))
    return found


def _memory(graph: Graph, surroundings: Surroundings, words: Sequence[str]) -> Memory:
    declared = {one.name: one for one in (*graph.declared, *surroundings.parameters)}
    try:
        given = values_of(words, list(declared.values()))
    except ValueError as error:
        raise Wrong(str(error)) from error
    bound = bind(list(declared.values()), given)
    if isinstance(bound, list):
        raise Wrong(_listed(bound))
    return Memory(graph, bound.values)


def _listed(problems: Sequence[ProblemItem]) -> str:
    lines = [
        f"line {one.line}, column {one.column}: {one.detail}" if one.line else one.detail for one in problems
    ]
    return lines[0] if len(lines) == 1 else f"{len(lines)} problems\n  " + "\n  ".join(lines)


def _sentence(graph: Path, error: Exception) -> str:
    kind = type(error).__name__
    if kind == "GraphFailed":
        return str(error)
    if "prefect" in str(error).lower() or type(error).__module__.split(".")[0] in ("prefect", "httpx"):
        return f"{graph}: Prefect's server did not answer: {kind}: {error}"
    return f"{graph}: {kind}: {error}"
