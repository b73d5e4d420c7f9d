"""Reads the measurements in what an attempt tells. What is malformed stays an event, and is no measurement.

Nor is what was logged to another run that the job made: ten candidates of a search tell ten values of one name, and none is
the job's.

The last value of a name is the one with the highest step; of several at one step, the one that was told last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.wire.results import LONGEST_METRIC_NAME, as_real

HIGHEST_STEP = 2**63 - 1
LOWEST_STEP = -(2**63)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A value of a metric, as it was told."""

    name: str
    value: float
    step: int


def read_measurement(data: Mapping[str, Any]) -> Measurement | None:
    """What the data of a metric event measures of its job.

    None when it is nothing: no name, a name too long, no number, or a value of a run of its own.
    """
    if "run" in data:
        return None
    name, value = data.get("name"), as_real(data.get("value"))
    step = _step(data.get("step"))
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_METRIC_NAME or value is None or step is None:
        return None
    return Measurement(name=name, value=value, step=step)


def last_of_each(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The last value of each name, by name."""
    found: dict[str, Measurement] = {}
    for one in measurements:
        before = found.get(one.name)
        if before is None or one.step >= before.step:
            found[one.name] = one
    return [found[name] for name in sorted(found)]


def _step(value: Any) -> int | None:
    if value is None:
        return 0
    number = as_real(value)
    if number is None or not number.is_integer():
        return None
    step = int(value)
    return step if LOWEST_STEP <= step <= HIGHEST_STEP else None
