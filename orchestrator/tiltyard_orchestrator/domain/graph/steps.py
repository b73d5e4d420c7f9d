"""Reads the steps of a graph: `task: [positional]`, `task: {keyword: value}`, or `task:` with `args` and `kwargs`.

Beside these stand `dependencies`, `retries`, `timeout`, `foreach` and `when` (`options`). A task without a value takes no
arguments, and a single value is its only positional one. What is wrong is told, and the rest of the step read all the same.
"""

from collections.abc import Mapping
from typing import Any

from tiltyard_orchestrator.domain.graph.keys import as_meant
from tiltyard_orchestrator.domain.graph.options import OPTIONS, read_options
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import Step
from tiltyard_orchestrator.domain.parameters import closest

_KEYS = ("task", "args", "kwargs", *OPTIONS)


def read_step(name: str, body: Any, tell: Teller) -> Step | None:
    """Return the step that stands under `name`, as far as it can be read; None where it is none at all."""
    at: Path = ("graph", name)
    if not isinstance(body, dict) or not body:
        detail = f"the step {name!r} names a task and its arguments: `task: {{name: value}}`"
        tell("malformed_graph", at, detail)
        return None
    tasks = [key for key in body if key not in OPTIONS]
    if "task" in tasks or (len(tasks) > 1 and not {"args", "kwargs"}.isdisjoint(tasks)):
        wanted = f": a step with `task` has {', '.join(_KEYS)}"
        body = as_meant(body, _KEYS, at, tell, where="in a step", wanted=wanted)
        use = _mixed(at, body, tell, surplus=not set(tasks) <= set(_KEYS))
    elif len(tasks) == 1 and isinstance(tasks[0], str):
        use = _short(at, tasks[0], body, tell)
    else:
        body, use = _one_of(at, tasks, body, tell)
    return Step(name=name, **use, **read_options(at, body, tell))


def _mixed(at: Path, body: Mapping[str, Any], tell: Teller, *, surplus: bool) -> dict[str, Any]:
    task, args, kwargs = body.get("task"), body.get("args"), body.get("kwargs")
    # Where it stands under a name that was told, that is enough.
    if (not isinstance(task, str) or not task) and ("task" in body or not surplus):
        tell("malformed_graph", (*at, "task"), "`task` is the name of a task, as text")
    named = kwargs is None or isinstance(kwargs, dict)
    if isinstance(args, dict):
        detail = "`args` is a list of positional arguments; named ones are `kwargs`"
        tell("malformed_graph", (*at, "args"), detail)
    if not named:
        tell("malformed_graph", (*at, "kwargs"), "`kwargs` maps the names of inputs to values")
    keywords = _keywords(kwargs or {}, (*at, "kwargs"), tell) if named else {}
    return {
        "task": task if isinstance(task, str) else "",
        "args": [] if isinstance(args, dict) else _positional(args),
        "kwargs": keywords,
        "partial": isinstance(args, dict) or not named or len(keywords) < len(kwargs or {}),
        "args_at": (*at, "args"),
        "kwargs_at": (*at, "kwargs"),
        "task_at": (*at, "task"),
    }


def _short(at: Path, task: str, body: Mapping[Any, Any], tell: Teller) -> dict[str, Any]:
    here, arguments = (*at, task), body[task]
    named = isinstance(arguments, dict)
    keywords = _keywords(arguments, here, tell) if named else {}
    return {
        "task": task,
        "args": [] if named else _positional(arguments),
        "kwargs": keywords,
        "partial": named and len(keywords) < len(arguments),
        "args_at": here,
        "kwargs_at": here,
        "task_at": here,
    }


def _one_of(
    at: Path, tasks: list[Any], body: Mapping[Any, Any], tell: Teller
) -> tuple[Mapping[Any, Any], dict[str, Any]]:
    """The step of a body that does not name one task: the one beside misspelt keys, else none, with all the arguments."""
    uses = {
        "task": "",
        "kwargs": {str(one): body[one] for one in tasks},
        "kwargs_at": at,
        "task_at": (*at, "task"),
    }
    if not tasks:
        tell("malformed_graph", at, f"the step {at[-1]!r} names no task", at_key=True)
        return body, uses
    if len(tasks) == 1:
        detail = f"{tasks[0]!r} is no name of a task: write it in quotes"
        tell("malformed_graph", (*at, str(tasks[0])), detail)
        return body, uses
    far = [one for one in tasks if closest(str(one), _KEYS) is None]
    first = (far or tasks)[0]
    wanted = f": the step {at[-1]!r} already uses the task {first!r}, and a step uses one"
    others = {key: value for key, value in body.items() if key != first}
    meant = as_meant(others, _KEYS, at, tell, where="in a step", wanted=wanted)
    body = {**meant, first: body[first]}
    return body, _short(at, first, body, tell) if [first] == far and isinstance(first, str) else uses


def _positional(args: Any) -> list[Any]:
    if args is None:
        return []
    return args if isinstance(args, list) else [args]


def _keywords(kwargs: Mapping[Any, Any], at: Path, tell: Teller) -> dict[str, Any]:
    for key in kwargs:
        if not isinstance(key, str):
            detail = f"{key!r} is no name of an input: write it in quotes"
            tell("malformed_graph", (*at, str(key)), detail, at_key=True)
    return {key: value for key, value in kwargs.items() if isinstance(key, str)}
