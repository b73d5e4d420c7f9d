"""Graph entry points: a YAML file that composes tasks into an experiment, without a script.

    plugins: [mine]
    parameters:
      eps: {type: float, default: 0.1}
    graph:
      data: {load_digits: {seed: 7}}
      attack:
        fgm: {model: $train, images: $data.x_test, eps: $eps}
        retries: 2
        when: $eps > 0
    artifact_outputs:
      adversarial: $attack

Text is read into a `Graph` (`reading`), the graph is checked against the tasks that it names (`checking`), and a checked
graph becomes a `Plan` that a runner follows (`planning`). Nothing here runs a task, and nothing imports one.
"""

from tiltyard_orchestrator.domain.graph.catalogue import Catalogue
from tiltyard_orchestrator.domain.graph.checking import check_graph
from tiltyard_orchestrator.domain.graph.order import after, cycles, order
from tiltyard_orchestrator.domain.graph.planning import Plan, PlannedArtifact, PlannedStep, plan
from tiltyard_orchestrator.domain.graph.reading import read_graph
from tiltyard_orchestrator.domain.graph.values import ArtifactInput, ArtifactOutput, Graph, Step

__all__ = [
    "ArtifactInput",
    "ArtifactOutput",
    "Catalogue",
    "Graph",
    "Plan",
    "PlannedArtifact",
    "PlannedStep",
    "Step",
    "after",
    "check_graph",
    "cycles",
    "order",
    "plan",
    "read_graph",
]
