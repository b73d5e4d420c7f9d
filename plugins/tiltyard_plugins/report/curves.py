"""Curves of what was measured over what was varied, as a picture and as a table of the same numbers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure as Canvas

from tiltyard import task, types
from tiltyard_plugins.types import Figure

COLOURS = ("#0b5fa5", "#b3202c", "#2e7d32", "#8e5bb5", "#c77700", "#00838f")
CONTROL_COLOUR = "0.45"
_MARKERS = "osD^vP"


@task(tags=["report", "picture"], outputs={"table": types.Table, "figure": Figure})
def curves(
    x: Annotated[Sequence[float], "what was varied"],
    lines: Annotated[
        Mapping[str, Sequence[float]], "what was measured, by the name in the legend; a number per x"
    ],
    *,
    controls: Annotated[Sequence[str], "the lines that are controls: drawn grey and dashed"] = (),
    x_name: Annotated[str, "the column of the table that holds x"] = "x",
    x_label: Annotated[str, "in words, with its unit"] = "x",
    y_label: Annotated[str, "in words, with its unit"] = "accuracy on the test set",
    y_limits: Annotated[tuple[float, float] | None, "ends of the axis; none: those of the numbers"] = (
        0.0,
        1.0,
    ),
    x_scale: Annotated[str, "linear or log"] = "linear",
    title: str = "",
    facts: Annotated[Mapping[str, Any] | None, "small print below: how many images, the seed"] = None,
    values: Annotated[
        str | None, "the line whose numbers are written beside its points; none: no numbers"
    ] = None,
) -> tuple[types.Table, Figure]:
    """Draw lines over a common axis, and give the same numbers as a table with a column for each.

    Lines of another length than x are refused: a curve that lost a point misleads.
    """
    numbers = {name: [float(one) for one in line] for name, line in lines.items()}
    for name, line in numbers.items():
        if len(line) != len(x):
            raise ValueError(f"{name!r} has {len(line)} points over {len(x)} places")
    table = pd.DataFrame(numbers, index=pd.Index([float(one) for one in x], name=x_name))
    figure = Canvas(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for index, (name, line) in enumerate(numbers.items()):
        _draw(axes, x, line, name, index, control=name in controls)
    if values is not None:
        for at, y in zip(x, numbers[values], strict=True):
            axes.annotate(
                f"{y:.3f}", (at, y), textcoords="offset points", xytext=(-6, -11), fontsize=8, ha="right"
            )
    axes.set(xlabel=x_label, ylabel=y_label, xscale=x_scale)
    axes.set_title(title, fontsize=11)
    if y_limits is not None:
        low, high = y_limits
        axes.set_ylim(low - 0.03 * (high - low), high + 0.05 * (high - low))
    if x_scale == "log":  # each place is named, and not the powers between
        axes.set_xticks(x, [f"{one:,.0f}" if one >= 10 else f"{one:g}" for one in x])
        axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(fontsize=9)
    if facts:
        small = ", ".join(f"{name}: {value}" for name, value in facts.items())
        figure.supxlabel(small, fontsize=8, color="0.35", x=0.99, ha="right")
    return table, figure


def _draw(
    axes: Any, x: Sequence[float], line: Sequence[float], name: str, index: int, *, control: bool
) -> None:
    style = (
        {"color": CONTROL_COLOUR, "linestyle": "--"} if control else {"color": COLOURS[index % len(COLOURS)]}
    )
    axes.plot(x, line, marker=_MARKERS[index % len(_MARKERS)], markersize=5, label=name, **style)
