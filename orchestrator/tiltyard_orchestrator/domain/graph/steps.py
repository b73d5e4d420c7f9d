"""Reads the steps of a graph: `task: [positional]`, `task: {keyword: value}`, or `task:` with `args` and `kwargs`.

Beside these stand `dependencies`, `retries`, `timeout`, `foreach` and `when`. A task without a value takes no arguments, and
a single value is its only positional one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.duration import parse_duration
from tiltyard_orchestrator.domain.graph.conditions import WANTED, Condition, read_condition
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.references import Reference, reference
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import Step
from tiltyard_orchestrator.domain.parameters import did_you_mean

OPTIONS = ("dependencies", "retries", "timeout", "foreach", "when")
_KEYS = ("task", "args", "kwargs", *OPTIONS)
MOST_RETRIES = 100


@dataclass(frozen=True, kw_only=True)
class _Use:
    """Which task a step uses, with what."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    args_at: Path
    kwargs_at: Path
    task_at: Path


def read_step(name: str, body: Any, tell: Teller) -> Step | None:
    """Return the step that stands under `name`, or None where its problems were told."""
    at: Path = ("graph", name)
    before = len(tell.problems)
    if not isinstance(body, dict) or not body:
        tell(
            "malformed_graph",
            at,
            f"the step {name!r} names a task and its arguments: `task: {{name: value}}`",
        )
        return None
    use = _mixed(name, body, tell) if "task" in body else _short(name, body, tell)
    options = _options(name, body, tell)
    if use is None or len(tell.problems) > before:
        return None
    return Step(name=name, **vars(use), **options)


def _mixed(name: str, body: Mapping[Any, Any], tell: Teller) -> _Use | None:
    at: Path = ("graph", name)
    for key in body:
        if key not in _KEYS:
            hint = did_you_mean(str(key), _KEYS) or f": a step with `task` has {', '.join(_KEYS)}"
            tell("unknown_key", (*at, str(key)), f"{key!r} means nothing in a step{hint}", at_key=True)
    task, args, kwargs = body["task"], body.get("args"), body.get("kwargs")
    if not isinstance(task, str) or not task:
        tell("malformed_graph", (*at, "task"), "`task` is the name of a task, as text")
        return None
    if isinstance(args, dict):
        tell(
            "malformed_graph",
            (*at, "args"),
            "`args` is a list of positional arguments; named ones are `kwargs`",
        )
    if kwargs is not None and not isinstance(kwargs, dict):
        tell("malformed_graph", (*at, "kwargs"), "`kwargs` maps the names of inputs to values")
        return None
    return _Use(
        task=task,
        args=_positional(args),
        kwargs=_keywords(kwargs or {}, (*at, "kwargs"), tell),
        args_at=(*at, "args"),
        kwargs_at=(*at, "kwargs"),
        task_at=(*at, "task"),
    )


def _short(name: str, body: Mapping[Any, Any], tell: Teller) -> _Use | None:
    at: Path = ("graph", name)
    tasks = [key for key in body if key not in OPTIONS]
    if len(tasks) != 1 or not isinstance(tasks[0], str):
        _tell_not_one_task(name, tasks, tell)
        return None
    task = tasks[0]
    here, arguments = (*at, task), body[task]
    named = isinstance(arguments, dict)
    return _Use(
        task=task,
        args=[] if named else _positional(arguments),
        kwargs=_keywords(arguments, here, tell) if named else {},
        args_at=here,
        kwargs_at=here,
        task_at=here,
    )


def _tell_not_one_task(name: str, tasks: list[Any], tell: Teller) -> None:
    at: Path = ("graph", name)
    if not tasks:
        tell("malformed_graph", at, f"the step {name!r} names no task", at_key=True)
        return
    near = [key for key in tasks if did_you_mean(str(key), _KEYS)]
    for key in near or tasks[1:]:
        hint = did_you_mean(str(key), _KEYS) or (
            f": the step {name!r} already uses the task {tasks[0]!r}, and a step uses one"
        )
        what = repr(key) if isinstance(key, str) else f"{key!r} (write names in quotes)"
        tell("unknown_key", (*at, str(key)), f"{what} means nothing here{hint}", at_key=True)
    if not isinstance(tasks[0], str) and len(tasks) == 1:
        tell(
            "malformed_graph", (*at, str(tasks[0])), f"{tasks[0]!r} is no name of a task: write it in quotes"
        )


def _positional(args: Any) -> list[Any]:
    if args is None:
        return []
    return args if isinstance(args, list) else [args]


def _keywords(kwargs: Mapping[Any, Any], at: Path, tell: Teller) -> dict[str, Any]:
    for key in kwargs:
        if not isinstance(key, str):
            tell(
                "malformed_graph",
                (*at, str(key)),
                f"{key!r} is no name of an input: write it in quotes",
                at_key=True,
            )
    return {str(key): value for key, value in kwargs.items()}


def _options(name: str, body: Mapping[Any, Any], tell: Teller) -> dict[str, Any]:
    at: Path = ("graph", name)
    readers = {
        "dependencies": _dependencies,
        "retries": _retries,
        "timeout": _timeout,
        "foreach": _foreach,
        "when": _when,
    }
    return {key: readers[key](body[key], (*at, key), tell) for key in readers if body.get(key) is not None}


def _dependencies(value: Any, at: Path, tell: Teller) -> list[str]:
    names = value if isinstance(value, list) else [value]
    for index, one in enumerate(names):
        if not isinstance(one, str):
            where = (*at, index) if isinstance(value, list) else at
            tell("malformed_graph", where, f"{one!r} is no name of a step: `dependencies` lists steps")
    return [one.removeprefix("$") for one in names if isinstance(one, str)]


def _retries(value: Any, at: Path, tell: Teller) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        tell(
            "bad_retries",
            at,
            f"`retries` is a whole number from 0 to {MOST_RETRIES}, such as 2; not {value!r}",
        )
        return None
    return value


def _timeout(value: Any, at: Path, tell: Teller) -> float | None:
    try:
        if isinstance(value, (str, int, float)):
            return parse_duration(value)
    except ValueError as error:
        tell("bad_timeout", at, str(error))
        return None
    tell("bad_timeout", at, "`timeout` is a duration: seconds, or text such as 90s, 30m or 2h")
    return None


def _foreach(value: Any, at: Path, tell: Teller) -> list[Any] | Reference | None:
    if isinstance(value, list) and value:
        return value
    found = reference(value)
    if found is None:
        tell(
            "bad_foreach",
            at,
            "`foreach` is a list with something in it, or a reference to one, such as `$epsilons`",
        )
    return found


def _when(value: Any, at: Path, tell: Teller) -> Condition | None:
    condition = read_condition(value)
    if condition is None:
        tell("bad_when", at, f"{value!r} is no condition: {WANTED}")
    return condition
