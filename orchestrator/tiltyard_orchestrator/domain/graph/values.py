"""What a graph file says, read and not yet checked against any task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.plugins import TaskInput, TaskOutput, Type
from tiltyard.wire.problems import ProblemItem
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
    """As it is written: a short name or a path; empty where it could not be read."""
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
    partial: bool = False
    """Whether some of its arguments could not be read, so that none is missed."""
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

    @property
    def options_at(self) -> Path:
        """Where its options stand."""
        return ("artifact_outputs", self.name, "task", "args")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A task as the graph itself describes it: where it is, and the names of what it takes and gives."""

    path: str
    inputs: list[TaskInput] | None = None
    outputs: list[TaskOutput] | None = None


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What stands in a file and could not be read: it was told, and what refers to it is no mistake for that."""

    names: frozenset[str] = frozenset()
    """Parameters, artifact inputs and steps."""
    any_name: bool = False
    """Whether a whole part could not be read, so that every name may be in it."""
    tasks: frozenset[str] = frozenset()
    """The graph's own names of tasks."""
    any_task: bool = False
    """Whether a plugin could not be read, so that every short name may be a task of it."""

    def has(self, name: str) -> bool:
        """Whether a reference may mean something that could not be read."""
        return self.any_name or name in self.names

    def has_task(self, name: str) -> bool:
        """Whether the short name of a task may be one that could not be read."""
        return self.any_task or name in self.tasks


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph file, as far as it could be read."""

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
    problems: Sequence[ProblemItem] = ()
    """What is wrong with its form, in the order of the text. It can be checked further, and not run, while there is any."""
    unread: Unread = field(default_factory=Unread)

    def without(self, names: Iterable[str]) -> "Graph":
        """The same graph, where these names may be declared beside it in what could not be read."""
        return replace(self, unread=replace(self.unread, names=self.unread.names.union(names)))

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
        return [pin for pin, _ in self.needed.values()]

    @property
    def needed(self) -> dict[str, tuple[str, Path]]:
        """The same by their names, and where each is named first."""
        named: dict[str, tuple[str, Path]] = {}
        for index, pin in enumerate(self.plugins):
            name, version, _ = pin.partition("==")
            if name not in named or (version and "==" not in named[name][0]):
                named[name] = pin, ("plugins", index)
        for task, at in self._named_tasks():
            plugin, dot, _ = task.partition(".")
            name = plugin if dot else BUILT_IN
            named.setdefault(name, (name, at))
        return named

    def _named_tasks(self) -> Iterator[tuple[str, Path]]:
        for step in self.steps.values():
            definition = self.definitions.get(step.task)
            if definition is not None:
                yield definition.path, ("tasks", step.task, "plugin")
            elif step.task and step.task not in self.unread.tasks:
                yield step.task, step.task_at
        for one in self.outputs:
            if one.task and "." in one.task:
                yield one.task, ("artifact_outputs", one.name, "task")
