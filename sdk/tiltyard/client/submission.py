"""What a caller gives, as the wire wants it. Nothing is checked here: the gateway tells everything that is wrong at once."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from tiltyard.wire.jobs import Dependency, Job, JobState


class Choices(TypedDict, total=False):
    """What may be chosen for a job."""

    entry_point: str
    """`main` where it is not given."""
    parameters: Mapping[str, Any]
    """Values for the declared parameters; numpy's scalars and arrays, paths and tuples are understood."""
    queue: str
    """`cpu` where it is not given."""
    timeout: str | float | timedelta | None
    """Longest run of one attempt: seconds, or text such as `90s`, `30m`, `2h`, `1d`."""
    queue_timeout: str | float | timedelta | None
    """Longest stay in the queue."""
    progress_timeout: str | float | timedelta | None
    """Longest silence of an attempt."""
    max_attempts: int
    """How often the code may start at most; 3 where it is not given."""
    retry_on: Sequence[str]
    """The failures after which another attempt follows: `worker_lost` and `start_failed` where it is not given."""
    priority: int
    """0 to 9; 5 where it is not given."""
    after: Sequence[str | Job | Dependency]
    """Jobs that must have succeeded first; a `Dependency` names another condition."""
    start_at: datetime | None
    """Not before this moment."""
    plugins: Sequence[str]
    """Plugins beside those that the entry point names, each as `name` or `name==version`."""
    description: str
    tags: Sequence[str]


class Wanted(Choices):
    """What a job is to be, beside its archive."""

    experiment: str
    """The experiment's name; it is made when it does not exist."""


class Changes(Choices, total=False):
    """What a cloned job has differently from its parent; parameters are laid over the parent's."""

    experiment: str
    same_plugins: bool
    """Take the very versions of plugins that the parent had."""


class Chosen(TypedDict, total=False):
    """Which jobs are meant: those that fit all that is given."""

    state: JobState | str | Sequence[JobState | str]
    experiment: str | None
    sweep: str | None
    """The whole id of the sweep that made them."""
    queue: str | None
    tag: str | None
    created_after: datetime | None
    created_before: datetime | None


def as_body(wanted: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A submission, or the changes of a clone, as JSON."""
    body: dict[str, Any] = {
        **more,
        **plain({name: value for name, value in wanted.items() if name != "after"}),
    }
    return body


def as_filter(chosen: Chosen) -> dict[str, Any]:
    """Which jobs are meant, as a request's parameters."""
    state = chosen.get("state", ())
    states = [state] if isinstance(state, str) else list(state)
    rest = {name: plain(value) for name, value in chosen.items() if name != "state"}
    return {"state": [JobState(one).value for one in states], **rest}


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
        case datetime():
            return value.astimezone().isoformat()
        case os.PathLike():
            return os.fspath(value)
        case _:
            return value
