"""The tasks that a graph may use, and which of them a name means.

A name with dots is a task's path. A short name is looked for in the graph's own definitions, then in the plugins that it
lists, then in the built-in collection: a task that the collection gains never changes what a graph means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tiltyard.wire.plugins import Task, TaskInput
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.values import BUILT_IN, Graph
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """No task of this name."""


@dataclass(frozen=True, kw_only=True)
class Ambiguous:
    """Several tasks of this name."""

    paths: list[str]


@dataclass(frozen=True, kw_only=True)
class Untold:
    """Whether there is such a task cannot be said: why is told elsewhere, and once."""


class Catalogue:
    """The tasks of some plugins' versions, each of a plugin once."""

    def __init__(
        self,
        tasks: Iterable[Task],
        artifact_types: Mapping[str, Iterable[str]] | None = None,
        *,
        absent: Mapping[str, ProblemItem | None] | None = None,
        definitions_suffice: bool = False,
    ) -> None:
        """Take what a graph may use.

        Args:
            tasks: the tasks.
            artifact_types: by plugin the names of the artifact types that it registers; None: they are not known.
            absent: by name the plugins that are not to be had, and why; None: that is told elsewhere.
            definitions_suffice: whether a task is there because the graph itself describes it: a file of Dioptra's lists
                functions that nothing in their plugin marks as tasks.
        """
        self._definitions_suffice = definitions_suffice
        self.absent = absent or {}
        self._tasks = list(tasks)
        self.artifact_types = (
            None
            if artifact_types is None
            else {plugin: set(names) for plugin, names in artifact_types.items()}
        )
        self._by_path = {task.path: task for task in self._tasks}
        self._by_name: dict[str, list[Task]] = {}
        for task in self._tasks:
            self._by_name.setdefault(task.name, []).append(task)

    def find(self, name: str, graph: Graph) -> Task | Unknown | Ambiguous | Untold:
        """Return the task that `name` means in `graph`."""
        definition = graph.definitions.get(name)
        found = self._find(definition.path if definition else name, graph)
        if definition and not isinstance(found, Task) and self._definitions_suffice:
            found = _described(definition.path)
        if definition is None or not isinstance(found, Task):
            return found
        said = {"inputs": definition.inputs, "outputs": definition.outputs}
        return found.model_copy(update={key: value for key, value in said.items() if value is not None})

    def _find(self, name: str, graph: Graph) -> Task | Unknown | Ambiguous | Untold:
        if "." in name:
            if name.partition(".")[0] in self.absent:
                return Untold()
            return self._by_path.get(name) or self._of_plugin(name) or Unknown()
        named = {pin.partition("==")[0] for pin in graph.plugins}
        for plugins in (named, {BUILT_IN}):
            match [task for task in self._by_name.get(name, []) if task.plugin in plugins]:
                case [task]:
                    return task
                case [_, *_] as several:
                    return Ambiguous(paths=sorted(task.path for task in several))
        if not name or graph.unread.has_task(name) or not self.absent.keys().isdisjoint({*named, BUILT_IN}):
            return Untold()
        return Unknown()

    def _of_plugin(self, name: str) -> Task | None:
        """The task of a plugin by its short name: `mine.fgm` for `mine.attacks.fgm`."""
        plugin, _, short = name.partition(".")
        found = [task for task in self._by_name.get(short, []) if task.plugin == plugin]
        return found[0] if len(found) == 1 else None

    def hint(self, name: str, graph: Graph) -> str:
        """What was meant, perhaps, by a name that is unknown."""
        if "." in name:
            plugin = name.partition(".")[0]
            inside = [task.path for task in self._tasks if task.plugin == plugin]
            if not inside:
                return f": there is no plugin {plugin!r}"
            return did_you_mean(name, inside) or f": {plugin} has {listed(inside)}"
        elsewhere = sorted(task.path for task in self._by_name.get(name, []))
        if elsewhere:
            plugin = elsewhere[0].partition(".")[0]
            return f" in the plugins of this graph: add {plugin!r} to its `plugins`, or write {elsewhere[0]}"
        visible = {pin.partition("==")[0] for pin in graph.plugins} | {BUILT_IN}
        names = {task.name for task in self._tasks if task.plugin in visible} | set(graph.definitions)
        return did_you_mean(name, names) or f"; known are {listed(names)}" * bool(names)


def _described(path: str) -> Task:
    module, _, function = path.rpartition(".")
    anything = (
        TaskInput(name="anything", variadic=True),
        TaskInput(name="named", variadic=True, keyword_only=True),
    )
    return Task(
        plugin=path.partition(".")[0],
        version="",
        name=function,
        module=module,
        function=function,
        inputs=list(anything),
    )


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A graph's steps with the task that each of them uses; steps whose task is not known are not in it."""

    tasks: Mapping[str, Task] = field(default_factory=dict)


def resolved(graph: Graph, catalogue: Catalogue) -> Resolved:
    """Return the tasks that the steps of a graph use."""
    found = {name: catalogue.find(step.task, graph) for name, step in graph.steps.items()}
    return Resolved(tasks={name: task for name, task in found.items() if isinstance(task, Task)})
