"""Curves of what was measured over what was varied, as a picture and as a table of the same numbers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd

from tiltyard import task, types
from tiltyard_plugins.pictures.plotting import Title, plotted
from tiltyard_plugins.types import Figure

Numbers = Annotated[types.Table, "a row for each x, with a column for each line"]


@task(tags=["report", "picture"], outputs={"table": Numbers, "figure": Figure})
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
    title: Title = "",
    facts: Annotated[Mapping[str, Any] | None, "small print below: how many images, the seed"] = None,
    values: Annotated[
        str | None, "the line whose numbers are written beside its points; none: no numbers"
    ] = None,
) -> tuple[Numbers, Figure]:
    """Draw lines over a common axis, and give the same numbers as a table with a column for each.

    Lines of another length than x are refused: a curve that lost a point misleads.
    """
    numbers = {name: [float(one) for one in line] for name, line in lines.items()}
    for name, line in numbers.items():
        if len(line) != len(x):
            raise ValueError(f"{name!r} has {len(line)} points over {len(x)} places")
    table = pd.DataFrame(numbers, index=pd.Index([float(one) for one in x], name=x_name))
    figure = plotted(
        x,
        numbers,
        controls=controls,
        numbered=values,
        y_limits=y_limits,
        title=title,
        xlabel=x_label,
        ylabel=y_label,
        xscale=x_scale,
    )
    if x_scale == "log":  # each place is named, and not the powers between
        [axes] = figure.axes
        axes.set_xticks(x, [f"{one:,.0f}" if one >= 10 else f"{one:g}" for one in x])
        axes.minorticks_off()
    if facts:
        small = ", ".join(f"{name}: {value}" for name, value in facts.items())
        figure.supxlabel(small, fontsize=8, color="0.35", x=0.99, ha="right")
    return table, figure
