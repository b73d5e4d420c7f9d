"""Which parameter goes along the lines, which has a line per value, and which are averaged.

Unless it is asked for: the numeric parameter with most values goes along, of the others the first that is no number and
has few values gets the lines, and the rest is averaged. A parameter that is called like a seed is averaged whenever there
is another. A heatmap takes a second parameter with many values instead.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.curves.rows import Row, is_numeric, key
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed, shown

LINES_BY_DEFAULT = 8
MOST_LINES = 24
MOST_ROWS = 100
_SEED = re.compile(
    r"(^|_|-)(seed|random_state|rng|repeat|repetition|replicate|trial|fold|run)$", re.IGNORECASE
)

Axes = Mapping[str, Sequence[Json]]
"""The parameters that differ from cell to cell, and their values."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants to see; None is chosen for them."""

    x: str | None = None
    by: tuple[str, ...] | None = None
    over: tuple[str, ...] | None = None
    heatmap: bool = False


@dataclass(frozen=True, kw_only=True)
class View:
    """What is drawn."""

    x: str
    by: tuple[str, ...]
    heatmap: bool = False


def choose(rows: Collection[Row], axes: Axes, asked: Asked) -> View | list[ProblemItem]:
    """What to draw of rows that differ in these parameters, or everything that is wrong with what was asked for."""
    if problems := [*_unknown(axes, asked), *_twice(asked)]:
        return problems
    averaged = asked.over or ()
    free = [name for name in axes if name not in averaged and name not in (asked.by or ())]
    x = asked.x or _along(axes, free)
    if x is None:
        return [ProblemItem(pointer="?x", code="no_axis", detail=_nothing_along(axes))]
    # A line for each of its values would be a single point: zipped with `x`, it goes along too.
    rest = [name for name in free if name != x and not _follows(rows, x, name)]
    by = asked.by if asked.by is not None else _lines(axes, rest, asked)
    if asked.heatmap and len(by) != 1:
        detail = f"a heatmap has two axes: say which is the other one with `by`; there are {listed(axes)}"
        return [ProblemItem(pointer="?by", code="no_axis", detail=detail)]
    return _too_many(rows, by, asked) or View(x=x, by=tuple(by), heatmap=asked.heatmap)


def averaged_over(rows: Collection[Row], axes: Axes, view: View) -> list[str]:
    """The parameters that differ between cells of one point."""
    shown_names = (view.x, *view.by)
    rest = [name for name in axes if name not in shown_names]
    return [name for name in rest if not _follows(rows, name, *shown_names)]


def is_seed(name: str) -> bool:
    """Whether a parameter is called like one that only repeats a run."""
    return _SEED.search(name) is not None


def _unknown(axes: Axes, asked: Asked) -> list[ProblemItem]:
    given = {"x": [asked.x] if asked.x is not None else [], "by": asked.by or (), "over": asked.over or ()}
    return [
        ProblemItem(pointer=f"?{option}", code="unknown_axis", detail=_no_axis(axes, name))
        for option, names in given.items()
        for name in names
        if name not in axes
    ]


def _no_axis(axes: Axes, name: str) -> str:
    if not axes:
        return f"{shown(name)} is the same everywhere, as every parameter is"
    hint = did_you_mean(name, axes)
    return f"{shown(name)} is no parameter that differs here{hint}; those that do are {listed(axes)}"


def _twice(asked: Asked) -> list[ProblemItem]:
    given = [*([asked.x] if asked.x else []), *(asked.by or ()), *(asked.over or ())]
    return [
        ProblemItem(pointer="?by", code="axis_twice", detail=f"{shown(name)} can be drawn in one way alone")
        for name in dict.fromkeys(given)
        if given.count(name) > 1
    ]


def _nothing_along(axes: Axes) -> str:
    if axes:
        return "nothing is left to draw over: leave a parameter out of `by` and `over`"
    return "there is nothing to draw over: no parameter differs here"


def _along(axes: Axes, free: Iterable[str]) -> str | None:
    def rank(name: str) -> tuple[bool, bool, int]:
        return (not is_seed(name), is_numeric(axes[name]), len(axes[name]))

    return max(free, key=rank, default=None)


def _lines(axes: Axes, rest: Sequence[str], asked: Asked) -> Sequence[str]:
    if asked.over is not None and not asked.heatmap:
        return rest
    candidates = [name for name in rest if not is_seed(name) and len(axes[name]) > 1]
    if asked.heatmap:
        fitting = [name for name in candidates or rest if len(axes[name]) <= MOST_ROWS]
        return sorted(fitting, key=lambda name: (not is_numeric(axes[name]), -len(axes[name])))[:1]
    few = [name for name in candidates if len(axes[name]) <= LINES_BY_DEFAULT]
    return sorted(few, key=lambda name: is_numeric(axes[name]))[:1]


def _follows(rows: Collection[Row], name: str, *given: str) -> bool:
    """Whether a parameter has one value alone wherever the given ones do: of zipped ones each follows the others."""
    seen: dict[tuple[object, ...], object] = {}
    for row in rows:
        if name in row.values and all(one in row.values for one in given):
            place = tuple(key(row.values[one]) for one in given)
            mine = key(row.values[name])
            if seen.setdefault(place, mine) != mine:
                return False
    return True


def _too_many(rows: Collection[Row], by: Sequence[str], asked: Asked) -> list[ProblemItem]:
    count = len({tuple(key(row.values.get(name)) for name in by) for row in rows}) if by else 1
    most, what = (MOST_ROWS, "rows") if asked.heatmap else (MOST_LINES, "lines")
    if count <= most:
        return []
    detail = f"{listed(by)} would give {count} {what}, and {most} can be told apart: choose another `by`, or a heatmap"
    return [ProblemItem(pointer="?by", code="too_many_lines", detail=detail)]
