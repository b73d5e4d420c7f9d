"""Which steps come after which, in what order, and where that goes in circles."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from tiltyard_orchestrator.domain.graph.values import Graph

_MOST_TOLD = 20


def after(graph: Graph) -> dict[str, set[str]]:
    """Return for each step the steps that must have ended before: those it refers to, and its `dependencies`."""
    return {
        name: ({found.name for _, found in step.references()} | set(step.dependencies)) & graph.steps.keys()
        for name, step in graph.steps.items()
    }


def order(graph: Graph) -> list[str]:
    """Return the steps so that each comes after those it needs, else as they are written. Raises `CycleError`."""
    return _in_written_order(after(graph))


def cycles(graph: Graph) -> list[list[str]]:
    """Return the circles that steps go in, each as the steps along it: every one needs the one before it, round and round."""
    before = after(graph)
    found: list[list[str]] = []
    while len(found) < _MOST_TOLD:
        try:
            TopologicalSorter(before).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            found.append(circle[:-1])
            # Each circle is told once: it is cut where it was found, and the next one is looked for.
            before[circle[1]].discard(circle[0])
        else:
            break
    return found


def _in_written_order(before: Mapping[str, set[str]]) -> list[str]:
    place = {name: index for index, name in enumerate(before)}
    sorter = TopologicalSorter(before)
    sorter.prepare()
    result: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        first, *ready = ready
        result.append(first)
        sorter.done(first)
    return result
