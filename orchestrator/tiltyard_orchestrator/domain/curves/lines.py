"""Makes the lines: groups cells by what is drawn, averages each group, and counts what has no place in any."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low

from tiltyard.wire.archives import Parameter
from tiltyard.wire.curves import CurveLine, CurvePoint, Curves
from tiltyard.wire.model import Json
from tiltyard_orchestrator.domain.curves.choosing import Axes, View, averaged_over
from tiltyard_orchestrator.domain.curves.rows import Key, Row, distinct, is_numeric, key, label
from tiltyard_orchestrator.domain.curves.spread import band_in_words, spread

LOG_FROM = 100.0
"""The ratio of the largest to the smallest value from which on a logarithmic scale may show more."""
LOG_TO = 1e30
"""Beyond it, drawing libraries run out of numbers."""
CROWDED = 0.25
"""It does where half of the values lie in this part of a linear one."""
LONGEST_HELP = 60
LARGEST = 1e100
_REASONS = ("failed", "cancelled", "running", "queued", "waiting", "removed")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the parameters and metrics of a picture are called."""

    declared: Mapping[str, Parameter] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    """All that can be drawn."""
    noun: str = "cells"
    """What the rows are."""

    def of(self, name: str) -> str:
        """A parameter's name and what it is, as its entry point says."""
        parameter = self.declared.get(name)
        text = " ".join(parameter.help.split()) if parameter else ""
        first = text.split(". ")[0].rstrip(".")
        if not first:
            return name
        return f"{name}: {first if len(first) <= LONGEST_HELP else first[: LONGEST_HELP - 1] + '…'}"


def draw_lines(
    rows: Collection[Row], axes: Axes, view: View, *, y: str, labels: Labels, sampled: bool = False
) -> Curves:
    """The lines of a view.

    Args:
        rows: what is drawn or counted.
        axes: the parameters in which they differ.
        view: what is drawn of them.
        y: the metric.
        labels: what things are called.
        sampled: they are no grid: neighbours along `x` may differ in the other parameters too.
    """
    groups, missing = _grouped(rows, view)
    values = distinct(axes[view.x])
    lines = [_line(place, points, view, values) for place, points in _in_order(groups, axes, view)]
    over = averaged_over(rows, axes, view)
    beside = [name for name in axes if name not in {view.x, *view.by, *over}]
    numeric = is_numeric(values)
    return Curves(
        x=view.x,
        y=y,
        by=list(view.by),
        over=over,
        x_label=labels.of(view.x),
        by_label=", ".join(labels.of(name) for name in view.by),
        y_label=y.replace("_", " "),
        values=values,
        numeric=numeric,
        scale=_scale(values) if numeric else "linear",
        joined=numeric and not (sampled and beside),
        band=band_in_words([point.n for line in lines for point in line.points]),
        lines=lines,
        cells=len(rows),
        missing=missing,
        note=_in_words(missing, f"{len(rows)} {labels.noun}"),
        axes=list(axes),
        metrics=sorted(labels.metrics),
    )


Place = tuple[Key, ...]
Group = dict[Key, list[float]]


def _grouped(rows: Collection[Row], view: View) -> tuple[dict[Place, Group], dict[str, int]]:
    groups: dict[Place, Group] = defaultdict(lambda: defaultdict(list))
    missing: Counter[str] = Counter()
    for row in rows:
        if view.heatmap and view.by[0] in row.values:
            groups.setdefault(
                (key(row.values[view.by[0]]),), defaultdict(list)
            )  # a row without a value is shown
        if reason := _why_missing(row, view):
            missing[reason] += 1
        elif row.metric is not None:
            place = tuple(key(row.values[name]) for name in view.by)
            groups[place][key(row.values[view.x])].append(row.metric)
    known = {reason: missing.pop(reason) for reason in _REASONS if reason in missing}
    return groups, known | missing


def _why_missing(row: Row, view: View) -> str | None:
    if row.state is None:
        return "removed"
    if row.state != "succeeded":
        return row.state
    if row.metric is None:
        return "without this metric"
    if any(name not in row.values for name in (view.x, *view.by)):
        return "without these parameters"
    if not math.isfinite(row.metric):
        return "not finite"
    return None if abs(row.metric) <= LARGEST else "too large to draw"


def _in_order(groups: Mapping[Place, Group], axes: Axes, view: View) -> list[tuple[dict[str, Json], Group]]:
    values = {name: {key(value): value for value in axes[name]} for name in view.by}
    rank = {name: {key(value): at for at, value in enumerate(distinct(axes[name]))} for name in view.by}

    def place(of: Place) -> tuple[int, ...]:
        return tuple(rank[name][one] for name, one in zip(view.by, of, strict=True))

    return [
        ({name: values[name][one] for name, one in zip(view.by, of, strict=True)}, groups[of])
        for of in sorted(groups, key=place)
    ]


def _line(place: dict[str, Json], group: Group, view: View, values: Sequence[Json]) -> CurveLine:
    points = []
    for x in values:
        if found := group.get(key(x)):
            one = spread(found)
            points.append(CurvePoint(x=x, n=one.n, mean=one.mean, low=one.low, high=one.high))
    several = len(view.by) > 1
    named = (f"{name}={label(value)}" if several else label(value) for name, value in place.items())
    return CurveLine(values=place, label=", ".join(named), points=points)


def _scale(values: Sequence[Json]) -> str:
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    positive = [value for value in numbers if value > 0]
    if not positive or min(numbers) < 0 or not LOG_FROM < max(positive) / min(positive) < LOG_TO:
        return "linear"
    if median_low(positive) > CROWDED * max(positive):
        return "linear"
    return "symlog" if min(numbers) == 0 else "log"


def _in_words(missing: Mapping[str, int], all_of_them: str) -> str:
    if not missing:
        return ""
    why = ", ".join(f"{count} {reason}" for reason, count in missing.items())
    return f"{sum(missing.values())} of {all_of_them} missing: {why}"
