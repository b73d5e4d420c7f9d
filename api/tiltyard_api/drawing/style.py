"""How every picture looks: colours that everybody can tell apart, quiet axes, and what a picture has to say of itself.

The colours are those of Okabe and Ito ("Color Universal Design", 2008) without their yellow, which white paper swallows;
those of lines in an order are cividis (Nuñez, Anderton and Renslow, PLOS ONE 13, 2018), and those of fields viridis (Smith
and van der Walt, SciPy 2015). Lines also differ by their markers, so that a grey copy is enough.
"""

import textwrap
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, NullFormatter

from tiltyard.wire.curves import Curves
from tiltyard_orchestrator.domain.curves.rows import shortened

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv<>P"
DASHES = ("-", "--", ":", "-.")
QUIET = "#666666"
GRID = "#E4E4E4"
LONGEST_FOOT = 600
LONGEST_TICK = 24
UNKNOWN = "\ufffd"
MOST_NAMED = 12
"""Of so many values each may have a tick of its own."""
INCHES_PER_CHARACTER = 0.07

SETTINGS: dict[str, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": "#222222",
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    # A name with two dollars in it is a name.
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    # Text stays text: it can be searched, edited and read aloud.
    "svg.fonttype": "none",
    # The same curves give the same file.
    "svg.hashsalt": "tiltyard",
}


def write_around(figure: Any, axes: Any, curves: Curves, *, title: str, bands: bool) -> None:
    """Title, axis labels, and the line at the foot that says what was averaged and what is missing."""
    width, _ = figure.get_size_inches()
    if title:
        axes.set_title(drawable(title, room(width * 0.85, 11)), loc="left")
    axes.set_xlabel(drawable(curves.x_label, room(width * 0.8, 9)))
    if foot := footnote(curves, bands=bands):
        lines = textwrap.wrap(drawable(foot, LONGEST_FOOT), room(width, 7))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color=QUIET)


def room(inches: float, points: float) -> int:
    """How many characters of a size have room, on the average."""
    return max(6, int(inches * 72 / (0.6 * points)))


def name_along(axes: Any, places: Sequence[float], names: Sequence[str]) -> None:
    """Put names below their places; leaning, where they would touch."""
    width, _ = axes.figure.get_size_inches()
    longest = max(map(len, names), default=0)
    fit = longest + 1 < room(width * 0.8 / max(1, len(names)), 8.5)
    axes.set_xticks(places, names, rotation=0 if fit else 30, ha="center" if fit else "right")


def footnote(curves: Curves, *, bands: bool) -> str:
    """What a reader of the picture has to know, in one line."""
    counts = [point.n for line in curves.lines for point in line.points]
    said = []
    if counts and max(counts) > 1:
        n = f"n = {max(counts)}" if min(counts) == max(counts) else f"n = {min(counts)} to {max(counts)}"
        over = f" over {', '.join(curves.over)}" if curves.over else ""
        said.append(f"mean{over}, {n}")
    if curves.band and bands:
        said.append(f"band: {curves.band}")
    return " · ".join([*said, *([curves.note] if curves.note else [])])


def drawable(text: str, longest: int) -> str:
    """Text in one line, of characters that the font has: no others can be drawn, and control characters break an SVG."""
    known = _characters()
    line = "".join(one if ord(one) in known else UNKNOWN for one in " ".join(text.split()))
    return shortened(line, longest)


@cache
def _characters() -> frozenset[int]:
    font = FT2Font(findfont(FontProperties(family="DejaVu Sans")))
    return frozenset(font.get_charmap())


def is_share(values: Sequence[float]) -> bool:
    """Whether values are shares that fill a good part of 0 to 1, so that the whole of it is the honest frame."""
    return bool(values) and min(values) >= 0 and max(values) <= 1 and max(values) - min(values) > 0.4


def scale_along(axes: Any, curves: Curves) -> None:
    """Give the x axis its scale, with a tick at each value where there is room for all of them."""
    numbers = [float(value) for value in curves.values if isinstance(value, (int, float))]
    if curves.scale != "linear":
        first = min(number for number in numbers if number > 0)
        more = {"linthresh": first, "linscale": 0.5} if curves.scale == "symlog" else {}
        axes.set_xscale(curves.scale, **more)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    # Also where no cell has come to a value yet.
    axes.update_datalim([(number, axes.dataLim.y0) for number in numbers])
    axes.autoscale_view(scaley=False)
    names = [plain(number) for number in numbers]
    if len(names) <= MOST_NAMED and _fit(axes, numbers, names):
        axes.set_xticks(numbers, names)


def _fit(axes: Any, numbers: Sequence[float], names: Sequence[str]) -> bool:
    """Whether each number can stand below its place, whole, without touching the next."""
    if len(numbers) < 2 or any(float(f"{number:.6g}") != number for number in numbers):
        return False
    places = [
        float(place) for place, _ in axes.get_xaxis_transform().transform([(one, 0) for one in numbers])
    ]
    if places[-1] <= places[0]:
        return False
    nearest = min(after - before for before, after in pairwise(places))
    room = axes.figure.get_figwidth() * 0.8 * nearest / (places[-1] - places[0])
    return bool(room > INCHES_PER_CHARACTER * (1 + max(map(len, names))))


def plain(number: float) -> str:
    """A number without a formula: `0.03`, `2500`, `10⁶`."""
    if number >= 1e5 and f"{number:e}".startswith("1.000000e"):
        return "10" + str(round(float(f"{number:e}".partition("e")[2]))).translate(_RAISED)
    return f"{number:.6g}"


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
