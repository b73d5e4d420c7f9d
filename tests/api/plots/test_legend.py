"""Where the names of the lines stand: never on what they name."""

import math
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tiltyard.wire.curves import CurveLine, CurvePoint, Curves
from tiltyard_api.drawing import legend, lines, style

LONG = "projected gradient descent with restarts, variant"
POINTS = 9
Height = Callable[[int, float], float]


def curves_of(
    count: int, height: Height, *, band: float = 0.02, numeric: bool = True, name: str = "fgm"
) -> Curves:
    """Lines whose height is a function of which they are and of how far along, from 0 to 1."""
    values: list[Any] = [round(0.3 * at / POINTS, 4) if numeric else f"value {at}" for at in range(POINTS)]

    def line(number: int) -> CurveLine:
        means = [height(number, at / (POINTS - 1)) for at in range(POINTS)]
        points = [
            CurvePoint(x=value, n=3, mean=mean, low=mean - band, high=mean + band)
            for value, mean in zip(values, means, strict=True)
        ]
        return CurveLine(values={"attack": number}, label=f"{name} {number}", points=points)

    return Curves(
        x="eps", y="accuracy", by=["attack"], over=["seed"], x_label="eps", by_label="attack", y_label="accuracy",
        values=values, numeric=numeric, scale="linear", joined=True, band="all", cells=count,
        lines=[line(number) for number in range(count)], axes=["eps"], metrics=["accuracy"],
    )  # fmt: skip


def drawn(curves: Curves, width: float, height: float) -> tuple[Figure, Any]:
    """A picture of so many inches, and its legend."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = lines.draw(figure, axes, curves)
    style.write_around(figure, axes, curves, title="Digits", bands=True)
    legend.draw(figure, axes, curves, shown)
    return figure, (figure.legends or [axes.get_legend()])[0]


def colours_below(figure: Figure, names: Any) -> int:
    """How many pixels below the legend have a colour: paper and grid are grey."""
    figure.draw_without_rendering()  # the layout is settled by now, and stays
    names.set_visible(False)
    canvas: Any = figure.canvas
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)
    box = names.get_window_extent()
    inside = picture[max(0, int(box.y0)) : math.ceil(box.y1), max(0, int(box.x0)) : math.ceil(box.x1)]
    assert inside.size
    return int(
        ((inside.max(axis=2) - inside.min(axis=2) > 8) | (inside.max(axis=2) < 200)).any(axis=-1).sum()
    )


@pytest.mark.parametrize(
    ("curves", "inside"),
    [
        pytest.param(curves_of(2, lambda _, along: 1 - along), True, id="falling"),
        pytest.param(curves_of(2, lambda _, along: along), True, id="rising"),
        pytest.param(curves_of(4, lambda line, along: [0.02, 0.98, along, 1 - along][line], band=0.05), True, id="corners"),
        pytest.param(curves_of(6, lambda line, along: 0.5 + 0.48 * math.sin(6 * along + line), name=LONG), False, id="everywhere"),
        pytest.param(curves_of(2, lambda line, _: 0.5 + 0.1 * line, band=0.4), False, id="bands"),
        pytest.param(curves_of(5, lambda line, along: (line * 37 + int(along * 8) * 17) % 10 / 10, numeric=False), False, id="bars"),
        pytest.param(curves_of(24, lambda line, along: line / 24 * (1 - along), name=LONG), False, id="many"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("width", "height"), [(6.5, 4.25), (4.0, 3.0), (12.0, 5.0)])
def test_the_names_of_the_lines_cover_nothing_that_is_drawn(
    curves: Curves, inside: bool, width: float, height: float
) -> None:
    with mpl.rc_context(style.SETTINGS):
        figure, names = drawn(curves, width, height)
        assert len(names.get_texts()) == len(curves.lines)
        if width == 6.5:
            assert bool(figure.legends) is not inside
        assert colours_below(figure, names) == 0


def test_in_a_narrow_picture_the_names_stand_above_the_lines() -> None:
    with mpl.rc_context(style.SETTINGS):
        figure, names = drawn(curves_of(2, lambda line, _: 0.5 + 0.1 * line, band=0.4), 3.0, 3.0)
        assert colours_below(figure, names) == 0
