"""Curves: a metric over a parameter, with a line for each value of another, averaged over what is left."""

from pydantic import Field

from tiltyard.wire.model import Json, WireModel


class CurvePoint(WireModel):
    """What the cells with one value of `x` came to, on one line."""

    x: Json
    n: int
    """How many cells it is the mean of."""
    mean: float
    low: float
    high: float
    """Where its band ends: see `band`; both are the mean where `n` is 1."""


class CurveLine(WireModel):
    """One line, for one value of each parameter of `by`."""

    values: dict[str, Json]
    label: str
    points: list[CurvePoint]
    """In the order of `x`; a value of `x` that no cell came to has no point."""


class Curves(WireModel):
    """A metric over a parameter. A heatmap has the same numbers: a line of them is a row of it."""

    x: str
    """The parameter along the lines."""
    y: str
    """The metric."""
    by: list[str]
    """The parameters that have a line for each of their values."""
    over: list[str]
    """The parameters that the points are means over."""
    x_label: str
    """What `x` is, as its entry point declares it."""
    by_label: str
    y_label: str
    values: list[Json]
    """Every value of `x`, in order, also those without a point."""
    numeric: bool
    """Whether `x` is a number, and so has a scale."""
    scale: str
    """`linear`; `log` where the values of `x` spread over more than two decades; `symlog` where they do and 0 is among them."""
    joined: bool
    """Whether points next to each other differ in nothing but `x`, so that a line between them means something."""
    band: str
    """What the bands are, in words; empty where no point has one."""
    lines: list[CurveLine]
    cells: int
    """How many cells there are, with those that have no value."""
    missing: dict[str, int] = Field(default_factory=dict)
    """Why cells have no value here, and how many: `failed`, `queued`, `not finite`, …"""
    note: str = ""
    """The same in words; empty where no cell is missing."""
    axes: list[str]
    """The parameters that can be drawn over."""
    metrics: list[str]
    """The metrics that can be drawn."""
