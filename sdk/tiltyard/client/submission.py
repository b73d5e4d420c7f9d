"""What a caller gives, as the wire wants it. Nothing is checked here: the gateway tells everything that is wrong at once."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Required, TypedDict


class Wanted(TypedDict, total=False):
    """What a job is to be, beside its archive."""

    experiment: Required[str]
    """The experiment's name; it is made when it does not exist."""
    entry_point: str
    """`main` where it is not given."""
    parameters: Mapping[str, Any]
    """Values for the declared parameters; numpy's scalars and arrays, paths and tuples are understood."""
    queue: str
    """`cpu` where it is not given."""
    timeout: str | float | timedelta | None
    """Longest run of one attempt: seconds, or text such as `90s`, `30m`, `2h`, `1d`."""
    max_attempts: int
    """How often the code may start at most; 3 where it is not given."""
    description: str
    tags: Sequence[str]


def as_body(archive: str, wanted: Wanted) -> dict[str, Any]:
    """A submission as JSON."""
    body: dict[str, Any] = {"archive": archive, **plain(wanted)}
    return body


def plain(value: Any) -> Any:
    """A value as JSON has it: numpy's and torch's scalars and arrays become numbers and lists, paths become text."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if hasattr(value, "tolist"):
            return plain(value.tolist())
        case _:
            return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        case timedelta():
            return value.total_seconds()
        case os.PathLike():
            return os.fspath(value)
        case _:
            return value
