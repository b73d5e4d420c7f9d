"""Draws a heatmap: a field for each pair of values, hatched where no cell came to a value."""

from typing import Any

import numpy as np

from tiltyard.wire.curves import CurveLine, Curves
from tiltyard_api.drawing import style
from tiltyard_orchestrator.domain.curves.rows import key, label

WRITTEN_UP_TO = 220
"""With more fields, a number in each cannot be read."""
MOST_TICKS = 20
DARK_BELOW = 0.55
LEAST_SHARE = 0.1
"""Where all values are smaller, two decimals tell nothing of them."""


def draw(figure: Any, axes: Any, curves: Curves) -> list[Any]:
    """Draw a field per value of `x` and line; none of them is a line to be named."""
    values = _fields(curves)
    axes.patch.set(hatch="////", edgecolor="#BBBBBB", facecolor="#F2F2F2")
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), cmap="viridis")
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    width, height = figure.get_size_inches()
    style.name_along(
        axes, *_ticks([label(value) for value in curves.values], min(MOST_TICKS, int(width * 3)))
    )
    axes.set_yticks(
        *_ticks(
            [line.label for line in curves.lines], min(MOST_TICKS, int(height * 4)), style.room(width / 5, 8)
        )
    )
    if not _ascending(curves):
        axes.invert_yaxis()
    axes.set_ylabel(style.drawable(curves.by_label, style.room(height * 0.8, 9)))
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=max(28, height * 6.6))
    bar.outline.set_visible(False)
    bar.set_label(style.drawable(curves.y_label, style.room(height * 0.8, 9)))
    if values.size <= WRITTEN_UP_TO:
        _write_numbers(axes, values, mesh)
    return []


def _fields(curves: Curves) -> Any:
    place = {key(value): at for at, value in enumerate(curves.values)}
    fields = np.full((len(curves.lines), len(curves.values)), np.nan)
    for at, line in enumerate(curves.lines):
        for point in line.points:
            fields[at, place[key(point.x)]] = point.mean
    return fields


def _write_numbers(axes: Any, values: Any, mesh: Any) -> None:
    known = values[~np.isnan(values)]
    share = known.size and known.min() >= 0 and LEAST_SHARE <= known.max() <= 1
    form = ".2f" if share else ".3g"
    size = 7.5 if values.shape[1] <= 10 else 6
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        red, green, blue, _ = mesh.cmap(mesh.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < DARK_BELOW
        colour = "white" if dark else "black"
        axes.text(
            column + 0.5, row + 0.5, format(value, form), ha="center", va="center", color=colour, size=size
        )


def _ticks(names: list[str], most: int, longest: int = style.LONGEST_TICK) -> tuple[list[float], list[str]]:
    every = -(-len(names) // most)
    at = range(0, len(names), every)
    return [place + 0.5 for place in at], [style.drawable(names[place], longest) for place in at]


def _ascending(curves: Curves) -> bool:
    def is_number(line: CurveLine) -> bool:
        return all(
            isinstance(one, (int, float)) and not isinstance(one, bool) for one in line.values.values()
        )

    return all(is_number(line) for line in curves.lines)
