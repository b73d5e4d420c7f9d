"""Draws lines with bands; points with bars where what goes along is no number."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl

from tiltyard.wire.curves import CurveLine, Curves
from tiltyard_api.drawing import legend, style
from tiltyard_orchestrator.domain.curves.rows import key, label

ORDERED_FROM = 4
"""From as many lines on, those of a number get colours in its order."""
MARKED_UP_TO = 60


def draw(figure: Any, axes: Any, curves: Curves) -> list[Any]:
    """Draw the lines that have points; gives them, to be named."""
    lines = [line for line in curves.lines if line.points]
    _, height = figure.get_size_inches()
    look = _looks(curves, lines)
    drawn = [
        _draw_line(axes, line, how, joined=curves.joined)
        if curves.numeric
        else _draw_bars(axes, curves, line, how, aside=(at - (len(lines) - 1) / 2) * 0.6 / len(lines))
        for at, (line, how) in enumerate(zip(lines, look, strict=True))
    ]
    axes.grid(visible=True, axis="y" if not curves.numeric else "both", color=style.GRID, linewidth=0.7)
    axes.set_ylabel(style.drawable(curves.y_label, style.room(height * 0.8, 9)))
    if curves.numeric:
        style.scale_along(axes, curves)
    else:
        names = [style.drawable(label(value), style.LONGEST_TICK) for value in curves.values]
        style.name_along(axes, range(len(names)), names)
    if style.is_share([point.mean for line in lines for point in line.points]):
        axes.set_ylim(-0.03, 1.03)
    return drawn


def _draw_line(axes: Any, line: CurveLine, how: dict[str, Any], *, joined: bool) -> Any:
    x = [_number(point.x) for point in line.points]
    mean = [point.mean for point in line.points]
    few = len(x) <= MARKED_UP_TO or not joined
    style_of_line = how["linestyle"] if joined and len(x) > 1 else "none"
    marker = how["marker"] if few else "none"
    name = legend.name(axes.figure, line.label)
    size = 3 if len(x) > MARKED_UP_TO else None
    [drawn] = axes.plot(
        x, mean, color=how["color"], linestyle=style_of_line, marker=marker, markersize=size, label=name
    )
    spread = [point for point in line.points if point.high > point.low]
    if not spread:
        return drawn
    if joined and len(x) > 1:
        low, high = [point.low for point in line.points], [point.high for point in line.points]
        axes.fill_between(x, low, high, color=how["color"], alpha=0.16, linewidth=0)
    else:
        _draw_errors(axes, [_number(point.x) for point in spread], spread, how)
    return drawn


def _draw_bars(axes: Any, curves: Curves, line: CurveLine, how: dict[str, Any], *, aside: float) -> Any:
    place = {key(value): at for at, value in enumerate(curves.values)}
    x = [place[key(point.x)] + aside for point in line.points]
    name = legend.name(axes.figure, line.label)
    mean = [point.mean for point in line.points]
    colour, marker = how["color"], how["marker"]
    [drawn] = axes.plot(x, mean, color=colour, linestyle="none", marker=marker, markersize=6, label=name)
    _draw_errors(axes, x, line.points, how)
    return drawn


def _draw_errors(axes: Any, x: Sequence[Any], points: Sequence[Any], how: dict[str, Any]) -> None:
    mean = [point.mean for point in points]
    ends = [[one.mean - one.low for one in points], [one.high - one.mean for one in points]]
    axes.errorbar(x, mean, yerr=ends, fmt="none", ecolor=how["color"], elinewidth=1.1, capsize=2.5)


def _looks(curves: Curves, lines: Sequence[CurveLine]) -> list[dict[str, Any]]:
    count = len(lines)
    ordered = len(curves.by) == 1 and count >= ORDERED_FROM and all(_is_number(line) for line in lines)
    scale = mpl.colormaps["cividis"]
    of = len(style.COLOURS)
    return [
        {
            "color": scale(0.9 * at / (count - 1)) if ordered else style.COLOURS[at % of],
            "linestyle": "-" if ordered else style.DASHES[at // of % len(style.DASHES)],
            "marker": style.MARKERS[at % len(style.MARKERS)],
        }
        for at in range(count)
    ]


def _is_number(line: CurveLine) -> bool:
    return all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in line.values.values())


def _number(value: Any) -> float:
    return float(value)  # matplotlib takes no integer above 64 bits
