"""`task`: says that a function is a building block of experiments, and leaves it the function that it is.

What stands in the decorator and in the signature is read from the plugin's source: the options are literals, the types are
names (see `tiltyard.types`). At run time the function carries its options along, and that is all: it is called and tested
like any other, without a testbed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

__all__ = ["OPTIONS", "TaskOptions", "options_of", "task"]

Function = TypeVar("Function", bound=Callable[..., Any])
OPTIONS = "__tiltyard_task__"


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a task says of itself beside its signature."""

    name: str
    outputs: Mapping[str, Any] | int | None = None
    """Names and types of several results; their number alone; None: what the annotation says, one result."""
    retries: int = 0
    timeout: str | float | None = None
    tags: Sequence[str] = field(default_factory=tuple)


@overload
def task(function: Function, /) -> Function: ...
@overload
def task(
    *,
    name: str | None = None,
    outputs: Mapping[str, Any] | int | None = None,
    retries: int = 0,
    timeout: str | float | None = None,
    tags: Sequence[str] = (),
) -> Callable[[Function], Function]: ...
def task(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    outputs: Mapping[str, Any] | int | None = None,
    retries: int = 0,
    timeout: str | float | None = None,
    tags: Sequence[str] = (),
) -> Any:
    """Make a function a task. Write it as `@task`, or as `@task(...)` with options.

    Args:
        function: the function.
        name: what it is called in graphs and catalogues; the function's own name where it is not given.
        outputs: names and types of several results, which the function returns as a tuple in this order or as a mapping;
            or how many there are.
        retries: how often a step of it is tried again after it failed.
        timeout: how long a step of it may take: seconds, or text such as `90s` and `5m`.
        tags: words to find it by, such as `evasion`, `white-box`, `AML.T0043`.
    """

    def mark(marked: Function) -> Function:
        options = TaskOptions(
            name=name or marked.__name__, outputs=outputs, retries=retries, timeout=timeout, tags=tuple(tags)
        )
        setattr(marked, OPTIONS, options)
        return marked

    return mark if function is None else mark(function)


def options_of(function: Any) -> TaskOptions | None:
    """What a function says of itself as a task; None where it is none."""
    options = getattr(function, OPTIONS, None)
    return options if isinstance(options, TaskOptions) else None
