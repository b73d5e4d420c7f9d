"""The functions of tasks: imported by their paths, called, and their results taken apart."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tiltyard.wire.plugins import Kind, Task


class NotLoaded(Exception):
    """A task's function cannot be had; the message says why."""


class WrongOutputs(Exception):
    """A function did not return what its task says it does."""


class Exited(Exception):
    """A function ended its process, or tried to; the message says with what code."""


def function_of(task: Task) -> Callable[..., Any]:
    """Import a task's function. Raises `NotLoaded`."""
    try:
        found: Any = import_module(task.module)
        for name in task.function.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise NotLoaded(f"the task {task.path} could not be loaded: {what}") from error
    # What Prefect's own decorator made of a function has it inside.
    function = getattr(found, "fn", found)
    if not callable(function):
        raise NotLoaded(f"the task {task.path} is no function but a {type(found).__name__}")
    return function  # type: ignore[no-any-return]


def call(function: Callable[..., Any], task: Task, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Call a task's function, and return its outputs by their names."""
    try:
        result = function(*_fitted_list(task, args), **_fitted(task, kwargs))
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
    except SystemExit as error:  # Prefect would break off the whole graph for it
        raise Exited(
            f"{task.name!r} called sys.exit({error.code!r}): a task returns, or raises an error"
        ) from error
    return outputs_of(task, result)


def outputs_of(task: Task, result: Any) -> dict[str, Any]:
    """Take a result apart into a task's outputs: a mapping by their names, anything else in their order."""
    names = [one.name for one in task.outputs]
    if len(names) < 2:
        return dict.fromkeys(names, result)
    if isinstance(result, Mapping):
        missing = [name for name in names if name not in result]
        if missing:
            raise WrongOutputs(
                f"{task.name!r} returned a mapping without {_listed(missing)}: its outputs are {_listed(names)}"
            )
        return {name: result[name] for name in names}
    if isinstance(result, str) or not isinstance(result, Iterable):
        what = "nothing" if result is None else f"one {type(result).__name__}"
        raise WrongOutputs(
            f"{task.name!r} returned {what}, and its outputs are {len(names)}: {_listed(names)}"
        )
    values = list(result)
    if len(values) != len(names):
        raise WrongOutputs(
            f"{task.name!r} returned {len(values)} results, and its outputs are {len(names)}: {_listed(names)}"
        )
    return dict(zip(names, values, strict=True))


def _fitted(task: Task, kwargs: dict[str, Any]) -> dict[str, Any]:
    paths = {one.name for one in task.inputs if one.type.kind is Kind.path}
    return {name: _as_path(value) if name in paths else value for name, value in kwargs.items()}


def _fitted_list(task: Task, args: list[Any]) -> list[Any]:
    inputs = [one for one in task.inputs if not one.variadic and not one.keyword_only]
    return [
        _as_path(value) if index < len(inputs) and inputs[index].type.kind is Kind.path else value
        for index, value in enumerate(args)
    ]


def _as_path(value: Any) -> Any:
    """A file has no path but text, and a task that says `Path` gets one."""
    return Path(value) if isinstance(value, str) else value


def _listed(names: list[str]) -> str:
    return ", ".join(names)
