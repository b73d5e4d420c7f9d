"""What a graph file says, read and not yet checked against any task."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.plugins import TaskInput, TaskOutput, Type
from tiltyard_orchestrator.domain.graph.conditions import Condition
from tiltyard_orchestrator.domain.graph.places import Path, Places
from tiltyard_orchestrator.domain.graph.references import Reference, references

ITEM = "item"
"""What a step with `foreach` calls the value that it is used for: `$item`."""
BUILT_IN = "tiltyard_plugins"
"""The plugin whose tasks have short names in every graph."""

GIVEN = "a file of the archive by its path, or an artifact of another job: artifact:JOB/PATH"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One use of a task."""

    name: str
    task: str
    """As it is written: a short name or a path."""
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    dependencies: list[str] = field(default_factory=list)
    """Steps that must have ended before, beside those that are referred to."""
    retries: int | None = None
    timeout: float | None = None
    """Seconds."""
    foreach: list[Any] | Reference | None = None
    """The values that it is used for, one after the other; its outputs are lists then."""
    when: Condition | None = None
    args_at: Path = ()
    kwargs_at: Path = ()
    task_at: Path = ()

    @property
    def at(self) -> Path:
        """Where it stands."""
        return self.task_at[:2]

    def references(self) -> Iterator[tuple[Path, Reference]]:
        """Everything that it refers to, and where; `$item` of its own `foreach` is no reference."""
        yield from self._argument_references()
        if isinstance(self.foreach, Reference):
            yield (*self.at, "foreach"), self.foreach
        else:
            yield from references(self.foreach, (*self.at, "foreach"))
        for found in self.when.references() if self.when else ():
            yield (*self.at, "when"), found

    def _argument_references(self) -> Iterator[tuple[Path, Reference]]:
        for value, path in ((self.args, self.args_at), (self.kwargs, self.kwargs_at)):
            for at, found in references(value, path):
                if self.foreach is None or found != Reference(name=ITEM):
                    yield at, found


@dataclass(frozen=True, kw_only=True)
class ArtifactInput:
    """A file that is given with the job, and what its loading gives."""

    name: str
    outputs: list[TaskOutput]


@dataclass(frozen=True, kw_only=True)
class ArtifactOutput:
    """A value that is saved as an artifact when its step has ended."""

    name: str
    contents: Any
    task: str | None = None
    """The artifact type that saves it; None: the one for the type of the value."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def contents_at(self) -> Path:
        """Where its contents stand, or what is nearest."""
        return ("artifact_outputs", self.name, "contents")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A task as the graph itself describes it: where it is, and the names of what it takes and gives."""

    path: str
    inputs: list[TaskInput] | None = None
    outputs: list[TaskOutput] | None = None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph file."""

    plugins: list[str] = field(default_factory=list)
    """`name` or `name==version`; the short names of tasks are looked for in these, and then in the built-in collection."""
    parameters: list[Parameter] = field(default_factory=list)
    """Those that the file declares itself."""
    structured: Mapping[str, Type] = field(default_factory=dict)
    """Parameters that no command line has a type for: they come as JSON in a text."""
    inputs: Mapping[str, ArtifactInput] = field(default_factory=dict)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    outputs: list[ArtifactOutput] = field(default_factory=list)
    places: Places = field(default_factory=Places)

    @property
    def declared(self) -> list[Parameter]:
        """Everything that is given with a job: its parameters, and the files of its artifact inputs."""
        named = {one.name for one in self.parameters}
        inputs = [
            Parameter(name=name, type=ParameterType.path, help=GIVEN)
            for name in self.inputs
            if name not in named
        ]
        return [*self.parameters, *inputs]

    @property
    def needs(self) -> list[str]:
        """The plugins to look for its tasks in, each once, as `name` or `name==version`."""
        named: dict[str, str] = {}
        for pin in self.plugins:
            named.setdefault(pin.partition("==")[0], pin)
        written = [
            self.definitions[step.task].path if step.task in self.definitions else step.task
            for step in self.steps.values()
        ]
        written += [one.task for one in self.outputs if one.task and "." in one.task]
        for task in written:
            plugin, dot, _ = task.partition(".")
            named.setdefault(plugin if dot else BUILT_IN, plugin if dot else BUILT_IN)
        return list(named.values())
