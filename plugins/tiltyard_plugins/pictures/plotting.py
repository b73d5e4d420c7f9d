"""Lines over a common axis, as every picture of this collection draws them: a plain function that tasks call."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

Title = Annotated[str, "above the picture"]

COLOURS = ("#0b5fa5", "#b3202c", "#2e7d32", "#8e5bb5", "#c77700", "#00838f")
CONTROL_COLOUR = "0.45"
_MARKERS = "osD^vP"
_SIZE = (7.2, 4.4)


def plotted(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    controls: Sequence[str] = (),
    styles: Mapping[str, dict[str, Any]] | None = None,
    numbered: str | None = None,
    y_limits: tuple[float, float] | None = (0.0, 1.0),
    title: str = "",
    **labels: str,
) -> Canvas:
    """Draw lines with a marker at every point, a grid and a legend.

    Args:
        x: what was varied.
        lines: by the name in the legend, a number per x.
        controls: the lines that are drawn grey and dashed.
        styles: of single lines, in matplotlib's words; these go before.
        numbered: the line whose numbers are written beside its points.
        y_limits: the ends of the axis; None: those of the numbers.
        title: above the picture.
        labels: of the axes, and their scales, as matplotlib's `Axes.set` takes them.
    """
    figure = Canvas(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    for index, (name, line) in enumerate(lines.items()):
        own = (styles or {}).get(name, {})
        axes.plot(x, line, label=name, **(_style(index, control=name in controls) | own))
    if numbered is not None:
        _write_numbers(axes, x, lines[numbered])
    axes.set(**labels)
    axes.set_title(title, fontsize=11)
    if y_limits is not None:
        low, high = y_limits
        axes.set_ylim(low - 0.03 * (high - low), high + 0.05 * (high - low))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=9)
    return figure


def _style(index: int, *, control: bool) -> dict[str, Any]:
    colour = (
        {"color": CONTROL_COLOUR, "linestyle": "--"} if control else {"color": COLOURS[index % len(COLOURS)]}
    )
    return {"marker": _MARKERS[index % len(_MARKERS)], "markersize": 5, **colour}


def _write_numbers(axes: Axes, x: Sequence[float], line: Sequence[float]) -> None:
    for at, y in zip(x, line, strict=True):
        axes.annotate(f"{y:.3f}", (at, y), textcoords="offset points", xytext=(5, 5), fontsize=8)
