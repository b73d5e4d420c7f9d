"""Says what a function needs that an image may not have."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any


def require_package(
    name: str, exc_type: type[Exception] = ImportError, exc_msg: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a function fail, when it is called, with an error that names the package which is not installed."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            if importlib.util.find_spec(name) is None:
                raise exc_type(
                    exc_msg or f"{function.__name__} needs the package {name!r}, which is not in this image"
                )
            return function(*args, **kwargs)

        return called

    return mark
