"""Checks a graph against the tasks that it may use: every problem in one answer, each with its line and column.

Those of its form are among them, and those of the plugins that it needs. Checked are names (tasks, steps, outputs, parameters,
artifact types and their options), arguments, types as far as they can be known, conditions, and that the steps do not go in
circles.
"""

from tiltyard.wire.archives import Parameter
from tiltyard.wire.plugins import Kind, Task, Type
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.arguments import check_arguments
from tiltyard_orchestrator.domain.graph.catalogue import Ambiguous, Catalogue, Unknown, Untold, resolved
from tiltyard_orchestrator.domain.graph.fitting import fits, type_of
from tiltyard_orchestrator.domain.graph.order import cycles
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.references import Reference, references
from tiltyard_orchestrator.domain.graph.saving import STANDARD, check_options
from tiltyard_orchestrator.domain.graph.scope import Scope, Unresolved
from tiltyard_orchestrator.domain.graph.suggestions import Suggestions
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import ITEM, Graph, Step
from tiltyard_orchestrator.domain.graph.wording import in_words
from tiltyard_orchestrator.domain.parameters import shown

_LISTS = (Kind.any, Kind.other, Kind.list, Kind.tuple, Kind.array, Kind.dataset, Kind.table)
_ORDERED = (Kind.integer, Kind.float, Kind.string)


def check_graph(
    graph: Graph, catalogue: Catalogue, parameters: list[Parameter] | None = None
) -> list[ProblemItem]:
    """Return every problem of a graph, in the order of its text.

    Args:
        graph: what `read_graph` returned.
        catalogue: the tasks of the plugins that `graph.needs`.
        parameters: those that its entry point declares; None: its own alone.
    """
    checker = _Checker(graph, catalogue, [*graph.declared, *(parameters or [])])
    checker.check()
    return checker.tell.in_order()


class _Checker:
    """One checking: what is known, and the problems met so far."""

    def __init__(self, graph: Graph, catalogue: Catalogue, parameters: list[Parameter]) -> None:
        self._graph = graph
        self._catalogue = catalogue
        self._tasks = resolved(graph, catalogue).tasks
        self._suggestions = Suggestions()
        self._scope = Scope(graph, parameters, self._tasks, self._suggestions)
        self.tell = Teller(graph.places)
        self.tell.problems += graph.problems

    def check(self) -> None:
        self._check_plugins()
        for step in self._graph.steps.values():
            self._check_task(step)
            self._check_references(step)
            if step.name in self._tasks:
                check_arguments(step, self._tasks[step.name], self._scope, self.tell)
            self._check_foreach(step)
            self._check_when(step)
        self._check_circles()
        self._check_outputs()

    def _check_plugins(self) -> None:
        for name, (_, at) in self._graph.needed.items():
            if problem := self._catalogue.absent.get(name):
                self.tell(problem.code, at, problem.detail, at_key=True)

    def _check_task(self, step: Step) -> None:
        match self._catalogue.find(step.task, self._graph):
            case Unknown():
                hint = self._catalogue.hint(step.task, self._graph) if self._suggestions.another() else ""
                self.tell("unknown_task", step.task_at, f"there is no task {step.task!r}{hint}", at_key=True)
            case Ambiguous(paths=paths):
                detail = f"{step.task!r} could be {' or '.join(paths)}: write the one you mean"
                self.tell("ambiguous_task", step.task_at, detail, at_key=True)
            case Task() | Untold():
                pass

    def _check_references(self, step: Step) -> None:
        for at, found in step.references():
            if found.name == ITEM and ITEM not in self._graph.steps:
                self._tell_item(step, found, at)
            else:
                self._check_reference(found, at)
        for index, name in enumerate(step.dependencies):
            if name not in self._graph.steps and not self._graph.unread.has(name):
                at = (*step.at, "dependencies", index)
                hint = self._suggestions.among(name, self._graph.steps, ": steps are")
                self.tell("unknown_step", at, f"there is no step {name!r}{hint}")

    def _check_reference(self, found: Reference, at: Path) -> None:
        kind = self._scope.type_of(found)
        if isinstance(kind, Unresolved):
            self.tell(kind.code, at, kind.detail)

    def _tell_item(self, step: Step, found: Reference, at: Path) -> None:
        if isinstance(self._scope.type_of(found), Type):
            return  # a parameter of that name, in a graph without `foreach`
        if step.foreach is None:
            detail = f"{found}: the step {step.name!r} has no `foreach`, which is what `$item` comes from"
        elif found.output is not None:
            detail = f"{found}: an item is used as a whole: write $item"
        else:
            detail = f"{found}: there is no item before `foreach` and `when` are decided"
        self.tell("unknown_reference", at, detail)

    def _check_foreach(self, step: Step) -> None:
        if isinstance(step.foreach, Reference):
            kind = self._scope.known(step.foreach)
            if kind.kind not in (*_LISTS, Kind.union):
                detail = f"`foreach` takes a list, and {step.foreach} is {in_words(kind)}"
                self.tell("bad_foreach", (*step.at, "foreach"), detail)

    def _check_when(self, step: Step) -> None:
        condition = step.when
        if condition is None or condition.operator in (None, "not"):
            return
        left = self._scope.known(condition.left)
        right = (
            self._scope.known(condition.right)
            if isinstance(condition.right, Reference)
            else type_of(condition.right)
        )
        ordered = condition.operator not in ("==", "!=")
        comparable = fits(right, left) or fits(left, right) or (not ordered and right.kind is Kind.none)
        if not comparable or (ordered and (_unordered(left) or _unordered(right))):
            what = str(condition.right) if isinstance(condition.right, Reference) else shown(condition.right)
            detail = f"{condition} never holds: {condition.left} is {in_words(left)}, and {what} is {in_words(right)}"
            self.tell("bad_when", (*step.at, "when"), detail)

    def _check_circles(self) -> None:
        for circle in cycles(self._graph):
            way = " → ".join([*circle, circle[0]])
            self.tell(
                "cycle",
                ("graph", circle[0]),
                f"steps go in a circle, and none can be first: {way}",
                at_key=True,
            )

    def _check_outputs(self) -> None:
        for one in self._graph.outputs:
            for at, found in references(one.contents, one.contents_at):
                self._check_reference(found, at)
            for at, found in references(one.options, one.options_at):
                self._check_reference(found, at)
            if one.task in STANDARD and not self._is_of_a_plugin(one.task):
                check_options(one, self._scope, self.tell)
            self._check_artifact_type(one.task, ("artifact_outputs", one.name, "task"))

    def _check_artifact_type(self, task: str | None, at: Path) -> None:
        of_plugins = self._catalogue.artifact_types
        if task is None or of_plugins is None or task in STANDARD or self._may_be_absent(task):
            return
        names = STANDARD.keys() | set().union(*of_plugins.values()) if of_plugins else STANDARD.keys()
        plugin, _, short = task.rpartition(".")
        if short in (of_plugins.get(plugin.partition(".")[0], ()) if plugin else names):
            return
        hint = self._suggestions.among(task, names, ": known are")
        self.tell("unknown_artifact_type", at, f"there is no artifact type {task!r}{hint}")

    def _is_of_a_plugin(self, task: str | None) -> bool:
        """Whether a plugin has an artifact type of this name, which then saves in place of the SDK's."""
        return any(task in names for names in (self._catalogue.artifact_types or {}).values())

    def _may_be_absent(self, task: str) -> bool:
        """Whether an artifact type may be one of a plugin of which nothing is known."""
        plugin, dot, _ = task.partition(".")
        absent = self._catalogue.absent
        return plugin in absent if dot else self._graph.unread.any_task or bool(absent)


def _unordered(kind: Type) -> bool:
    return kind.kind not in (*_ORDERED, Kind.any, Kind.other, Kind.union, Kind.choice, Kind.array)
