"""Draws curves in a terminal: lines of dots, a mark of its own for each, so that no colour is needed to tell them apart."""

import math
import re
from collections.abc import Sequence
from typing import Any

from tiltyard.cli.show import one_line, safe
from tiltyard.wire.curves import CurveLine, Curves
from tiltyard.wire.model import Json

MARKS = "●▲■◆○△□◇+x*#"
COLOURS = (33, 208, 35, 175, 214, 117, 245)
"""Of the 256: as near to those of Okabe and Ito as they come, and seen on dark and on light."""
MOST_LINES = len(MARKS)
MOST_MARKS = 20
MOST_TICKS = 12
HEIGHT = 18
NARROWEST = 40
LONG_INTEGER = 10**15


def plot(curves: Curves, *, width: int, colour: bool) -> str:
    """The curves as lines of text, at most so many characters wide."""
    import plotext  # noqa: PLC0415 - as it is used

    width = max(width, NARROWEST)
    drawn = [line for line in curves.lines if line.points][:MOST_LINES]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # the width is given, whatever the terminal of this process is
    plotext.plot_size(width, HEIGHT)
    place = _places(curves)
    for at, line in enumerate(drawn):
        x, y = [place(point.x) for point in line.points], [point.mean for point in line.points]
        paint: dict[str, Any] = {"color": COLOURS[at % len(COLOURS)]} if colour else {}
        if curves.joined and len(x) > 1:
            plotext.plot(x, y, marker="braille", **paint)
        every = -(-len(x) // MOST_MARKS) if curves.joined else 1
        plotext.scatter(x[::every], y[::every], marker=MARKS[at], **paint)
    _name_axes(plotext, curves, place, width)
    text = plotext.build()
    text = text if colour else plotext.uncolorize(text)
    lines = [re.sub(r"\s*(\x1b\[0m)?$", r"\1", line) for line in text.rstrip("\n").split("\n")]
    return "\n".join([f"  {named(curves.y_label)}", *lines, *_legend(curves, drawn, width, colour=colour)])


def named(text: str) -> str:
    """A label that stays in its line and drives no terminal."""
    return safe(one_line(text))


def value(given: Json) -> str:
    """A parameter's value as a table shows it."""
    match given:
        case bool():
            return "true" if given else "false"
        case float():
            return f"{given:.4g}"
        case int() if abs(given) >= LONG_INTEGER:
            return f"{float(given):.4g}"
        case _:
            return named(str(given)) or "(empty)"


def _places(curves: Curves) -> Any:
    """Where a value of `x` stands along the axis; plotext knows no scale that holds 0 and three decades."""
    if not curves.numeric:
        rank = {repr(one): float(at) for at, one in enumerate(curves.values)}
        return lambda given: rank[repr(given)]
    if curves.scale == "linear":
        return float
    first = min(float(one) for one in curves.values if isinstance(one, (int, float)) and one > 0)
    zero = math.log10(first) - 0.5
    return lambda given: math.log10(given) if given > 0 else zero


def _name_axes(plotext: Any, curves: Curves, place: Any, width: int) -> None:
    names = [value(one) for one in curves.values]
    room = max(2, min(MOST_TICKS, (width - 10) // (max(map(len, names)) + 2)))
    every = -(-len(names) // room)
    shown = range(0, len(names), every)
    plotext.xticks([place(curves.values[at]) for at in shown], [names[at] for at in shown])
    ends = [place(curves.values[0]), place(curves.values[-1])]
    if ends[0] < ends[1]:  # also where nothing has come to a value yet
        plotext.xlim(*ends)
    low, high, ticks = _frame([point.mean for line in curves.lines for point in line.points])
    plotext.ylim(low, high)
    plotext.yticks(ticks, [f"{tick:.6g}" for tick in ticks])
    plotext.xlabel(named(curves.x_label)[: width - 10])


def _frame(means: Sequence[float]) -> tuple[float, float, list[float]]:
    """From where to where the axis of a metric goes, and its ticks: shares that differ much go from 0 to 1."""
    low, high = min(means), max(means)
    if low >= 0 and high <= 1 and high - low > 0.4:
        low, high = 0, 1
    span = (high - low) or abs(high) or 1
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= span / 5)
    if low == high:
        low, high = low - step, high + step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return low, high, [round(at * step, 12) for at in range(first, last + 1)]


def _legend(curves: Curves, drawn: Sequence[CurveLine], width: int, *, colour: bool) -> list[str]:
    if not curves.by:
        return []
    entries = [f"  {named(', '.join(curves.by))}:"]
    plain = len(entries[0])
    lines, length = [""], 0
    for at, entry in enumerate([None, *drawn]):
        text = entries[0] if entry is None else f"  {MARKS[at - 1]} {named(entry.label)}"
        if length and length + len(text) > width:
            lines.append(" " * plain)
            length = plain
        painted = f"\x1b[38;5;{COLOURS[(at - 1) % len(COLOURS)]}m{text}\x1b[0m" if colour and at else text
        lines[-1] += painted
        length += len(text)
    left = len([line for line in curves.lines if line.points]) - len(drawn)
    return [*lines, *([f"  {left} more lines are not drawn here"] if left else [])]
