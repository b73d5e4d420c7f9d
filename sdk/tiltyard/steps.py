"""`plugin`: a plugin's task as a step for a script's own Prefect flow.

    from prefect import flow
    import tiltyard

    @flow
    def main():
        data = tiltyard.plugin("shapes.data.load")(seed=1)
        drawn = tiltyard.plugin("shapes.draw.circles").submit(data)

What the function's `@task` says of retries, time-out and name holds for the step; results that are declared are checked.
Prefect is imported when a step is asked for, and not before. Outside a flow, `.fn` is the function alone.
"""

import functools
import importlib
import inspect
import json
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from tiltyard.tasks import TaskOptions, options_of

__all__ = ["UnknownTask", "WrongOutputs", "checked", "find", "plugin"]

Function = Callable[..., Any]


class UnknownTask(LookupError):
    """A path leads to no task here; the message says what to do."""


class WrongOutputs(TypeError):
    """A task returned something else than the results that it declares."""


def plugin(path: str) -> Any:
    """A task of a plugin as a Prefect task, to be called or submitted in a flow.

    Args:
        path: `package.module.function`, as `tiltyard task ls` shows it.

    Raises:
        UnknownTask: there is no such task in this job.
    """
    from tiltyard.duration import parse_duration  # noqa: PLC0415 - whoever only looks for a task needs no wire models

    function = find(path)
    prefect = importlib.import_module("prefect")
    if isinstance(function, prefect.Task):
        return function
    options = options_of(function) or TaskOptions(name=function.__name__)
    policies = importlib.import_module("prefect.cache_policies")
    return prefect.Task(
        checked(function, options),
        name=options.name,
        retries=options.retries,
        timeout_seconds=None if options.timeout is None else parse_duration(options.timeout),
        cache_policy=policies.NO_CACHE,  # else every argument is hashed, models and arrays too
    )


def find(path: str) -> Function:
    """The function that a path names.

    Raises:
        UnknownTask: there is no such function in this job, or its module does not load for want of a library.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise UnknownTask(f"{path!r} is no path of a task: write it as package.module.function")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UnknownTask(_not_found(module_name, error)) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = sorted(other for other, value in vars(module).items() if options_of(value))
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its tasks are {', '.join(known) or 'none'}"
        raise UnknownTask(f"the module {module_name} has no task {name!r}: {hint}")
    return function  # type: ignore[no-any-return]


def _not_found(module_name: str, error: ModuleNotFoundError) -> str:
    package = module_name.partition(".")[0]
    missing = error.name or module_name
    if missing == package:
        return (
            f"there is no plugin {package!r} in this job, which has {_pinned()}: declare `plugins: [{package}]` in the "
            "MLproject; `tiltyard task ls` shows what there is"
        )
    if module_name == missing or module_name.startswith(f"{missing}."):
        return f"the plugin {package!r} has no module {missing!r}; `tiltyard task ls --plugin {package}` shows its tasks"
    return f"the module {module_name!r} needs {missing!r}, which this image does not have: choose a queue whose image has it"


def _pinned() -> str:
    pins = json.loads(os.environ.get("TILTYARD_PLUGINS") or "[]")
    return ", ".join(f"{pin['name']} {pin['version']}" for pin in pins) or "none"


def checked(function: Function, options: TaskOptions) -> Function:
    """The function, with the results that it declares checked when it returns; itself, where it declares one or none."""
    declared = options.outputs
    if declared is None or (declared if isinstance(declared, int) else len(declared)) < 2:
        return function
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return _as_declared(await function(*args, **kwargs), declared, options.name)

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return _as_declared(function(*args, **kwargs), declared, options.name)

    return called


def _as_declared(result: Any, declared: Mapping[str, Any] | int, name: str) -> Any:
    names = list(declared) if isinstance(declared, Mapping) else []
    count = len(names) or declared
    wanted = f"declares {count} results" + (f" ({', '.join(names)})" if names else "")
    if isinstance(result, Mapping) and names:
        missing = [one for one in names if one not in result]
        surplus = [str(one) for one in result if one not in names]
        if missing or surplus:
            said = [f"without {', '.join(missing)}"] * bool(missing)
            said += [f"with {', '.join(surplus)} beside them"] * bool(surplus)
            raise WrongOutputs(f"the task {name!r} {wanted} and returned a mapping {' and '.join(said)}")
    elif not isinstance(result, tuple | list):
        raise WrongOutputs(f"the task {name!r} {wanted} and returned one {type(result).__name__}")
    elif len(result) != count:
        raise WrongOutputs(f"the task {name!r} {wanted} and returned {len(result)}")
    return result
