"""Reads what a step has beside its task and its arguments: `dependencies`, `retries`, `timeout`, `foreach` and `when`."""

from collections.abc import Mapping
from typing import Any

from tiltyard.duration import parse_duration
from tiltyard_orchestrator.domain.graph.conditions import WANTED, Condition, read_condition
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.references import Reference, reference
from tiltyard_orchestrator.domain.graph.telling import Teller

OPTIONS = ("dependencies", "retries", "timeout", "foreach", "when")
MOST_RETRIES = 100


def read_options(at: Path, body: Mapping[Any, Any], tell: Teller) -> dict[str, Any]:
    """Return the options of the step at `at`, those that could not be read left out."""
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


def _foreach(value: Any, at: Path, tell: Teller) -> list[Any] | Reference:
    if isinstance(value, list) and value:
        return value
    found = reference(value)
    if found is None:
        tell(
            "bad_foreach",
            at,
            "`foreach` is a list with something in it, or a reference to one, such as `$epsilons`",
        )
    return found or []  # for some items all the same: `$item` means something in the step


def _when(value: Any, at: Path, tell: Teller) -> Condition | None:
    condition = read_condition(value)
    if condition is None:
        tell("bad_when", at, f"{value!r} is no condition: {WANTED}")
    return condition
