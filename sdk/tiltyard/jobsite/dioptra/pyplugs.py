"""Tasks as they were marked and called before: `register`, `task_nout`, `call_task`, and what belongs to them."""

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tiltyard.steps import UnknownTask, find, plugin
from tiltyard.tasks import OPTIONS, TaskOptions, options_of

__all__ = ["call", "call_task", "exists", "get", "get_task", "register", "task_nout"]

Function = Callable[..., Any]
_OPTIONS = {"max_retries": "retries", "retry_delay": "retry_delay_seconds", "timeout": "timeout_seconds"}
"""What Prefect called a task's options before, and calls them now."""


def register(function: Function | None = None, *, sort_value: float = 0) -> Any:
    """Mark a function as a task; written as `@register` or `@register(sort_value=...)`, which changes nothing here."""
    del sort_value
    return _mark if function is None else _mark(function)


def task_nout(nout: int) -> Callable[[Function], Function]:
    """Say how many results a task has."""
    return lambda function: _mark(function, outputs=nout)


def _mark(function: Function, **more: Any) -> Function:
    options = options_of(function) or TaskOptions(name=function.__name__)
    setattr(function, OPTIONS, dataclasses.replace(options, **more))
    return function


def get(package: str, plugin: str, func: str | None = None) -> Function:
    """The function of a plugin's module; its first task where none is named."""
    return find(_path(package, plugin, func))


def exists(package: str, plugin: str) -> bool:
    """Whether a plugin has a module that loads."""
    try:
        _first_task(f"{package}.{plugin}")
    except (UnknownTask, ImportError):
        return False
    return True


def call(package: str, plugin: str, func: str | None = None, *args: Any, **kwargs: Any) -> Any:
    """Call a task as the plain function that it is."""
    return get(package, plugin, func)(*args, **kwargs)


def get_task(package: str, plugin: str, func: str | None = None) -> Any:
    """A task as Prefect's."""
    return _plugin(_path(package, plugin, func))


def call_task(
    package: str,
    plugin: str,
    func: str | None = None,
    *args: Any,
    upstream_tasks: Iterable[Any] | None = None,
    task_args: Mapping[str, Any] | None = None,
    task_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Call a task as a step of the flow that runs, and return its result.

    Args:
        package: the plugin's package, or one in it.
        plugin: the module.
        func: the function; the module's first task where none is named.
        args: for the function.
        upstream_tasks: steps that come first. Results of steps that were called are there already, futures are waited for.
        task_args: options of the step, by Prefect's present or former names.
        task_kwargs: the same.
        kwargs: for the function.
    """
    step = get_task(package, plugin, func)
    options = {
        _OPTIONS.get(name, name): value
        for name, value in {**(task_args or {}), **(task_kwargs or {})}.items()
    }
    if options:
        step = step.with_options(**options)
    pending = [task for task in upstream_tasks or () if hasattr(task, "task_run_id")]
    return step(*args, wait_for=pending, **kwargs)


def _path(package: str, module: str, func: str | None) -> str:
    place = f"{package}.{module}" if package else module
    return f"{place}.{func or _first_task(place)}"


def _first_task(module_name: str) -> str:
    known = vars(importlib.import_module(module_name)).items()
    for name, value in known:
        if options_of(value) and value.__module__ == module_name:
            return name
    raise UnknownTask(f"the module {module_name} has no task: mark one with @pyplugs.register")


_plugin = plugin  # parameters of that name hide it above
