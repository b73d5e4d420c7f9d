"""Checks the arguments of one step against the inputs of its task: all there, none too many, none twice, each of a type.

Positional arguments fill the inputs in their order, keywords the rest, as Python would. `*names` takes what is left of the
positional ones, `**names` of the keywords.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tiltyard.wire.plugins import Kind, Task, TaskInput, Type
from tiltyard_orchestrator.domain.graph.fitting import fits, fits_literal, type_of
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.references import Reference, reference
from tiltyard_orchestrator.domain.graph.scope import Scope, item_type
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import ITEM, Step
from tiltyard_orchestrator.domain.graph.wording import in_words
from tiltyard_orchestrator.domain.parameters import closest, listed, shown


@dataclass(frozen=True, kw_only=True)
class _Given:
    """An argument, the input that it fills, and where it stands."""

    input: TaskInput
    value: Any
    at: Path


def check_arguments(step: Step, task: Task, scope: Scope, tell: Teller) -> None:
    """Tell everything that is wrong with the arguments of `step`."""
    given = [*_positional(step, task, tell), *_keywords(step, task, tell)]
    if not step.partial:
        _tell_missing(step, task, given, scope, tell)
    for one in given:
        for value, at in _each(step, one):
            _check_type(step, one.input, value, at, scope, tell)


def _positional(step: Step, task: Task, tell: Teller) -> Iterator[_Given]:
    places = [one for one in task.inputs if not one.variadic and not one.keyword_only]
    rest = next((one for one in task.inputs if one.variadic and not one.keyword_only), None)
    for index, value in enumerate(step.args):
        at = (*step.args_at, index)
        if index < len(places):
            yield _Given(input=places[index], value=value, at=at)
        elif rest is not None:
            yield _Given(input=rest, value=value, at=at)
        else:
            tell(
                "surplus_argument",
                at,
                f"positional argument {index + 1} of {task.name!r} is too many: it takes {_takes(task)}",
            )


def _keywords(step: Step, task: Task, tell: Teller) -> Iterator[_Given]:
    inputs = {one.name: one for one in task.inputs if not one.variadic}
    rest = next((one for one in task.inputs if one.variadic and one.keyword_only), None)
    filled = [one.name for one in task.inputs if not one.variadic and not one.keyword_only][: len(step.args)]
    for name, value in step.kwargs.items():
        at = (*step.kwargs_at, name)
        if name in filled:
            position = filled.index(name) + 1
            detail = f"{name!r} of {task.name!r} is given twice: it is positional argument {position} already"
            tell("doubled_argument", at, detail, at_key=True)
        elif name in inputs:
            yield _Given(input=inputs[name], value=value, at=at)
        elif rest is not None:
            yield _Given(input=rest, value=value, at=at)
        else:
            close = closest(name, inputs)
            hint = f" (did you mean {close!r}?)" if close else f": it takes {_inputs(task)}"
            tell("surplus_argument", at, f"the task {task.name!r} has no input {name!r}{hint}", at_key=True)
            if close and close not in step.kwargs and close not in filled:
                yield _Given(input=inputs[close], value=value, at=at)  # what it is meant for is not missed


def _tell_missing(step: Step, task: Task, given: list[_Given], scope: Scope, tell: Teller) -> None:
    there = {one.input.name for one in given} | step.kwargs.keys()
    for one in task.inputs:
        if one.required and not one.variadic and one.name not in there:
            fit = scope.suggestion(one.type, step.name)
            detail = f"{task.name!r} needs {one.name!r}: {in_words(one.type)}{fit}"
            tell("missing_argument", step.task_at, detail, at_key=True)


def _each(step: Step, given: _Given) -> Iterator[tuple[Any, Path]]:
    """The values that an input gets: one, or with `foreach` over a list, each of its items in turn."""
    items = step.foreach
    if reference(given.value) == Reference(name=ITEM) and isinstance(items, list):
        for index, item in enumerate(items):
            yield item, (*step.at, "foreach", index)
    else:
        yield given.value, given.at


def _check_type(step: Step, wanted: TaskInput, value: Any, at: Path, scope: Scope, tell: Teller) -> None:
    def refer(found: Reference) -> Type:
        return (
            item_type(step, scope) if step.foreach is not None and found.name == ITEM else scope.known(found)
        )

    if value is None and _may_be_null(wanted):
        return
    if what := misfit(value, wanted.type, refer):
        such = scope.suggestion(wanted.type, step.name)
        detail = f"{wanted.name!r} of {step.task!r} is {in_words(wanted.type)}, and {what}{such}"
        tell("mistyped_argument", at, detail)


def misfit(value: Any, wanted: Type, refer: Callable[[Reference], Type]) -> str:
    """Return what a value is, where that can never be of the type `wanted`: `$x is text`; empty where it may fit.

    Args:
        value: as the file has it.
        wanted: the type.
        refer: tells what a reference gives.
    """
    found = reference(value)
    if found is not None:
        kind = refer(found)
        fit, what = fits(kind, wanted), f"{found} is {in_words(kind)}"
    elif isinstance(value, (list, dict)):
        kind = type_of(value, refer)
        fit, what = fits(kind, wanted), f"{shown(value)} is {in_words(kind)}"
    else:
        fit, what = fits_literal(value, wanted), f"{shown(value)} is {in_words(type_of(value))}"
    return "" if fit else what


def _may_be_null(wanted: TaskInput) -> bool:
    """`x: int = None` says so as well as `x: int | None` does."""
    return (not wanted.required and wanted.default is None) or wanted.type.kind in (Kind.model, Kind.dataset)


def _takes(task: Task) -> str:
    """What a task takes by position, and what by name alone."""
    places = [one.name for one in task.inputs if not one.variadic and not one.keyword_only]
    named = [one.name for one in task.inputs if not one.variadic and one.keyword_only]
    if not places and not named:
        return "no arguments"
    taken = f"at most {len(places)}: {listed(places)}" if places else "none"
    return f"{taken}; by name alone {listed(named)}" if named else taken


def _inputs(task: Task) -> str:
    return listed([one.name for one in task.inputs])
