"""What curves are made of: a cell's values and what it came to; and how values are told apart, ordered and shown."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tiltyard.wire.model import Json

LONGEST_LABEL = 40
LONG_INTEGER = 10**15


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One cell of a sweep, or one job of an experiment."""

    values: Mapping[str, Json]
    """Its parameters, as far as they may differ from those of others."""
    metric: float | None
    """The metric that is drawn; None: it was not told."""
    state: str | None
    """Its job's; None: the job was exported or removed."""


Key = tuple[int, float, str]
"""A value's place: truth, then numbers by size, then text; two values with the same key are one value."""


def key(value: Json) -> Key:
    """Where a value stands among others. 1 and 1.0 are one value; 1 and true are two."""
    match value:
        case None:
            return (0, 0, "")
        case bool():
            return (1, float(value), "")
        case int() | float():
            return (2, value, "")  # compared exactly: of two large integers a double is the same
        case str():
            return (3, 0, value)
        case _:
            return (4, 0, json.dumps(value, sort_keys=True))


def is_numeric(values: Iterable[Json]) -> bool:
    """Whether values have a scale: all of them are numbers, and none is true or false."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def distinct(values: Iterable[Json]) -> list[Json]:
    """Every value once: numbers by size, and text in the order in which it came."""
    found = {key(value): value for value in reversed(list(values))}
    if is_numeric(found.values()):
        return [found[one] for one in sorted(found)]
    return list(reversed(found.values()))


def label(value: Json) -> str:
    """A value as a picture shows it."""
    match value:
        case bool():
            text = "true" if value else "false"
        case float():
            text = f"{value:.6g}"
        case int() if abs(value) >= LONG_INTEGER:  # a database gives 1e300 back with all its digits
            text = f"{float(value):.6g}"
        case str():
            text = value or "(empty)"
        case _:
            text = json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return shortened(text, LONGEST_LABEL)


def shortened(text: str, longest: int) -> str:
    """Text with its middle left out where it is too long: names that begin alike end differently."""
    if len(text) <= longest:
        return text
    end = (longest - 1) // 2
    return f"{text[: longest - 1 - end]}…{text[len(text) - end :]}"


def axes_of(
    rows: Collection[Row], first: Sequence[str] = (), *, alone: bool = False
) -> dict[str, list[Json]]:
    """The parameters in which rows differ, with their values; those named first stand first.

    Where rows differ in none, and `alone` says that one point is worth drawing, it is all of them.
    """
    there = {name for row in rows for name in row.values}
    names = dict.fromkeys([*(name for name in first if name in there), *sorted(there)])
    found = {name: distinct(row.values[name] for row in rows if name in row.values) for name in names}
    differ = {name: values for name, values in found.items() if len(values) > 1}
    return differ or (found if alone else {})
