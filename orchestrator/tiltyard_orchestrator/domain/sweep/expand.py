"""Expansion: from axes to the values of each cell, in an order that the same request always gives.

A random sweep draws without repeats. Its draws follow one another, so that the same seed with a higher count gives the same
choices and more.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice, product
from random import Random

from tiltyard.canonical import canonical
from tiltyard.wire.archives import ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard.wire.sweeps import Scale, SweepMode
from tiltyard_orchestrator.domain.sweep.axes import MOST_TOLD, ReadAxis
from tiltyard_orchestrator.domain.sweep.digest import plain
from tiltyard_orchestrator.domain.sweep.ranges import Range

Choice = tuple[Json, ...]
"""One value of each axis."""
_MISSES = 1_000
"""After so many draws in a row that were there before, a range is taken to be used up."""


def expand(
    axes: Sequence[ReadAxis], mode: SweepMode, *, count: int | None, seed: int | None
) -> list[Choice] | list[ProblemItem]:
    """Return the choices, or everything that is wrong with how the axes go together."""
    if mode is SweepMode.random:
        return _random(axes, count, seed)
    if count is not None or seed is not None:
        detail = f"`count` and `seed` are a random sweep's, and this is a {mode.value}"
        place = "/count" if count is not None else "/seed"
        return [ProblemItem(pointer=place, code="not_random", detail=detail)]
    return _zipped(axes) if mode is SweepMode.zip else _grid(axes)


def _grid(axes: Sequence[ReadAxis]) -> list[Choice]:
    return list(product(*(axis.values for axis in axes)))


def _zipped(axes: Sequence[ReadAxis]) -> list[Choice] | list[ProblemItem]:
    lengths = {len(axis.values) for axis in axes}
    if len(lengths) > 1:
        said = ", ".join(f"{axis.parameter.name} has {len(axis.values)}" for axis in axes)
        detail = f"zipped axes have as many values as each other: {said}"
        return [ProblemItem(pointer="/axes", code="unequal_axes", detail=detail)]
    choices = list(zip(*(axis.values for axis in axes), strict=True))
    first: dict[bytes, int] = {}
    again = [number for number, one in enumerate(choices) if first.setdefault(_key(one), number) != number]
    return [
        ProblemItem(
            pointer="/axes",
            code="repeated_value",
            detail=f"the values at place {number} stand there twice, first at {first[_key(choices[number])]}",
        )
        for number in again[:MOST_TOLD]
    ] or choices


def _random(
    axes: Sequence[ReadAxis], count: int | None, seed: int | None
) -> list[Choice] | list[ProblemItem]:
    if count is None:
        detail = "say how many choices a random sweep draws, by `count`"
        return [ProblemItem(pointer="/count", code="missing_count", detail=detail)]
    there = _possible(axes)
    if there is not None and there < count:
        detail = f"{count} choices are asked for, and there are only {there} without repeats"
        return [ProblemItem(pointer="/count", code="too_few_values", detail=detail)]
    chance = Random(seed)  # noqa: S311 - choices that anybody may repeat
    if there is not None and all(map(_even, axes)):
        return list(_shuffled(axes, there, count, chance))
    drawn = list(islice(_drawn(axes, chance), count))
    if len(drawn) < count:
        detail = (
            f"{count} choices are asked for, and after {len(drawn)} of them {_MISSES} draws brought nothing new: "
            "ask for fewer, or make a range wider"
        )
        return [ProblemItem(pointer="/count", code="too_few_values", detail=detail)]
    return drawn


def _possible(axes: Sequence[ReadAxis]) -> int | None:
    """How many choices there are without repeats; None where one is drawn from all numbers of a range."""
    sizes = [_size(axis) for axis in axes]
    return math.prod(size for size in sizes if size) if all(sizes) else None


def _size(axis: ReadAxis) -> int | None:
    if axis.drawn is None:
        return len(axis.values)
    low, high = _ends(axis.drawn)
    return high - low + 1 if axis.parameter.type is ParameterType.integer else None


def _ends(drawn: Range) -> tuple[int, int]:
    low, high = sorted((int(drawn.start), int(drawn.stop)))
    return low, high


def _even(axis: ReadAxis) -> bool:
    """Whether each value is as likely as another."""
    return axis.drawn is None or axis.drawn.scale is Scale.linear


def _shuffled(axes: Sequence[ReadAxis], size: int, count: int, chance: Random) -> Iterator[Choice]:
    """The first of a shuffled grid; only what was moved is kept, so that the grid may be of any size."""
    moved: dict[int, int] = {}
    for place in range(count):
        other = (
            place + int(chance.random() * (size - place)) if size < 2**53 else chance.randrange(place, size)
        )
        number = moved.get(other, other)
        moved[other] = moved.get(place, place)
        yield _at(axes, number)


def _at(axes: Sequence[ReadAxis], number: int) -> Choice:
    values: list[Json] = []
    for axis in reversed(axes):
        number, place = divmod(number, _size(axis) or 1)
        values.append(axis.values[place] if axis.drawn is None else _ends(axis.drawn)[0] + place)
    return tuple(reversed(values))


def _drawn(axes: Sequence[ReadAxis], chance: Random) -> Iterator[Choice]:
    seen: set[bytes] = set()
    misses = 0
    while misses < _MISSES:
        choice = tuple(_draw(axis, chance) for axis in axes)
        misses += 1
        if (key := _key(choice)) not in seen:
            misses = 0
            seen.add(key)
            yield choice


def _draw(axis: ReadAxis, chance: Random) -> Json:
    if axis.drawn is None:
        return axis.values[int(chance.random() * len(axis.values))]
    if axis.parameter.type is not ParameterType.integer:
        return axis.drawn.draw(chance)
    if axis.drawn.scale is Scale.log:
        return round(axis.drawn.draw(chance))
    low, high = _ends(axis.drawn)
    return low + int(chance.random() * (high - low + 1))


def _key(choice: Choice) -> bytes:
    return canonical([plain(value) for value in choice])
