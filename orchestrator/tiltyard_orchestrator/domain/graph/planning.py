"""A checked graph as a runner follows it: its steps in order, what each of them waits for, and which function it calls."""

from dataclasses import dataclass, field

from tiltyard.wire.plugins import Task
from tiltyard_orchestrator.domain.graph.catalogue import Catalogue, resolved
from tiltyard_orchestrator.domain.graph.order import after, order
from tiltyard_orchestrator.domain.graph.references import references
from tiltyard_orchestrator.domain.graph.values import ArtifactOutput, Graph, Step


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step, its task, and what comes before and after it."""

    step: Step
    task: Task
    after: frozenset[str]
    retries: int = 0
    """Its own, else its task's."""
    timeout: float | None = None
    """Seconds; its own, else its task's."""


@dataclass(frozen=True, kw_only=True)
class PlannedArtifact:
    """An artifact to save, and the steps that must have ended for it."""

    output: ArtifactOutput
    after: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a graph, each after those it waits for."""

    steps: list[PlannedStep]
    artifacts: list[PlannedArtifact] = field(default_factory=list)


def plan(graph: Graph, catalogue: Catalogue) -> Plan:
    """Return the plan of a graph that `check_graph` found nothing wrong with."""
    tasks, before = resolved(graph, catalogue).tasks, after(graph)
    steps = [_planned(graph.steps[name], tasks[name], before[name]) for name in order(graph)]
    artifacts = [PlannedArtifact(output=one, after=_needed(one, graph)) for one in graph.outputs]
    return Plan(steps=steps, artifacts=artifacts)


def _needed(output: ArtifactOutput, graph: Graph) -> frozenset[str]:
    return (
        frozenset(found.name for _, found in references([output.contents, output.options]))
        & graph.steps.keys()
    )


def _planned(step: Step, task: Task, before: set[str]) -> PlannedStep:
    return PlannedStep(
        step=step,
        task=task,
        after=frozenset(before),
        retries=task.retries if step.retries is None else step.retries,
        timeout=task.timeout if step.timeout is None else step.timeout,
    )
