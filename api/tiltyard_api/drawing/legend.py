"""Puts the names of the lines where they cover none of them: in a free corner, else beside the lines, else above them."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.path import Path
from matplotlib.transforms import Bbox

from tiltyard.wire.curves import Curves
from tiltyard_api.drawing import style

INSIDE_UP_TO = 6
LOOSE_UP_TO = 16
BESIDE_FROM_INCHES = 3.5
ABOVE_FROM_INCHES = 2.5
"""With less height, names above the lines would leave none for them."""
SEARCHED_UP_TO = 2_000
"""With more points, looking for a free place takes too long."""
PLACES = (
    "upper right", "upper left", "lower left", "lower right", "center right", "center left", "upper center", "lower center",
)  # fmt: skip
PAD = 3.0
"""Points between the names and what is drawn: a marker's half."""


def draw(figure: Any, axes: Any, curves: Curves, drawn: Sequence[Any]) -> None:
    """Name the lines that were drawn, when all else is."""
    if not curves.by or not drawn:
        return
    # Named one by one: matplotlib itself leaves out whatever is called _like_this.
    said = {"handles": drawn, "title": name(figure, ", ".join(curves.by)), "alignment": "left"}
    few = len(drawn) <= INSIDE_UP_TO
    if few and _points(curves) <= SEARCHED_UP_TO and _fits_inside(figure, axes, said):
        return
    width, height = figure.get_size_inches()
    if width >= BESIDE_FROM_INCHES:
        close = {"fontsize": 7, "labelspacing": 0.25} if len(drawn) > LOOSE_UP_TO else {}
        figure.legend(**said, loc="outside right upper", **close)
    elif few and height >= ABOVE_FROM_INCHES:
        figure.legend(**said, loc="outside upper left", ncols=2)
    else:
        axes.legend(**said, loc="upper right").set_in_layout(False)


def name(figure: Any, text: str) -> str | None:
    """A name as there is room for it; None where it says nothing."""
    width, _ = figure.get_size_inches()
    return style.drawable(text, style.room(width * 0.3, 8)) if text else None


def _points(curves: Curves) -> int:
    return sum(len(line.points) for line in curves.lines)


def _fits_inside(figure: Any, axes: Any, said: dict[str, Any]) -> bool:
    """Put the names into the first place where nothing is drawn; tells whether there is one."""
    legend = axes.legend(**said, loc=PLACES[0])
    legend.set_in_layout(False)
    figure.draw_without_rendering()  # only then is it known where everything is
    shapes = list(_shapes(axes))
    inside = axes.get_window_extent()
    pad = PAD * figure.dpi / 72
    for place in PLACES:
        legend.set_loc(place)
        box = legend.get_window_extent()
        too_large = box.width > inside.width or box.height > inside.height
        if not too_large and not any(_touches(shape, box.padded(pad), filled) for shape, filled in shapes):
            return True
    legend.remove()
    return False


def _shapes(axes: Any) -> Iterator[tuple[Path, bool]]:
    """What is drawn, in pixels, and whether it is filled: lines and points, bands and bars."""
    for line in axes.get_lines():
        yield line.get_transform().transform_path(line.get_path()), False
    for band in axes.collections:
        for path in band.get_paths():
            yield band.get_transform().transform_path(path), True


def _touches(shape: Path, box: Bbox, filled: bool) -> bool:
    return bool(shape.intersects_bbox(box, filled=filled)) or bool(box.count_contains(shape.vertices))
