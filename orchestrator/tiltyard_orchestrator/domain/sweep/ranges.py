"""Ranges: numbers from one end to the other, cut into evenly spaced values or drawn from.

Values are rounded to 12 significant digits, so that 0.15 of a range is the 0.15 that somebody writes, and a range that is made
longer by a step has every value that it had.
"""

import math
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from random import Random

from tiltyard.wire.sweeps import Axis, Scale

_DIGITS = 12
_DRAWN_DIGITS = 6
"""Of a drawn value: more would only be read with difficulty."""
_EXACT = 40


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from one to another, both included."""

    start: float
    stop: float
    scale: Scale = Scale.linear

    def cut(self, count: int) -> list[float]:
        """So many values, evenly spaced, the ends among them; one value is the start."""
        with localcontext(prec=_EXACT):
            start, stop, last = Decimal(repr(self.start)), Decimal(repr(self.stop)), Decimal(count - 1)
            if self.scale is Scale.log:
                width = (stop / start).ln()
                later = (start * (width * number / last).exp() for number in range(1, count))
            else:
                later = (start + (stop - start) * number / last for number in range(1, count))
            return [_rounded(start), *map(_rounded, later)]

    def draw(self, chance: Random) -> float:
        """One value by chance; on a log scale each order of magnitude is as likely as another."""
        if self.scale is Scale.log:
            low, high = math.log(self.start), math.log(self.stop)
            value = math.exp(low + (high - low) * chance.random())
        else:
            value = self.start + (self.stop - self.start) * chance.random()
        value = float(f"{value:.{_DRAWN_DIGITS}g}")
        return min(max(value, min(self.start, self.stop)), max(self.start, self.stop))


def range_problem(axis: Axis) -> str | None:
    """What is wrong with the range of an axis, as a sentence."""
    if axis.start is None or axis.stop is None:
        return "a range has both ends, `from` and `to`"
    if axis.scale is Scale.log and (axis.start <= 0 or axis.stop <= 0):
        return "on a log scale both ends are above 0"
    if axis.start == axis.stop:
        return "its ends are the same number: give the parameter that value"
    return None if _measurable(axis.start, axis.stop) else "its ends are too far apart"


def _measurable(start: float, stop: float) -> bool:
    """Whether there is a number for how far it is from one to the other."""
    try:
        return math.isfinite(float(stop) - float(start))
    except OverflowError:  # a whole number may be wider than any float
        return False


def range_of(axis: Axis) -> Range:
    """The range of an axis that has no problem."""
    assert axis.start is not None, "it was checked"
    assert axis.stop is not None, "it was checked"
    return Range(start=axis.start, stop=axis.stop, scale=axis.scale or Scale.linear)


def _rounded(value: Decimal) -> float:
    """A number as people write it: whole where it is whole."""
    short = float(Context(prec=_DIGITS).create_decimal(value))
    return int(short) if short.is_integer() and abs(short) < 2**53 else short
