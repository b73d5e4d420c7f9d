"""How far the mean of a few runs can be trusted.

From three values on, the band is the 95 % confidence interval of the mean by Student's t (Student, "The probable error of
a mean", Biometrika 6, 1908): mean ± t(n - 1) · s / √n, with s the sample's standard deviation. It takes the runs for
independent and their mean for about normal. Two values would give 12.7 · s / √2, which says nothing: theirs is the range
from the smaller to the larger. One value has no band.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

INTERVAL_FROM = 3
_Z = 1.959963984540054
_T = (4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
"""The 97.5 % quantiles of Student's t, from 2 degrees of freedom on."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Some values in short."""

    n: int
    mean: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The mean of at least one finite value, and its band."""
    n = len(values)
    # Halves first: the sum of two huge values is infinite, and their mean is not.
    mean = math.fsum(value / n for value in values)
    if n < INTERVAL_FROM:
        return Spread(n=n, mean=mean, low=min(values), high=max(values))
    widest = max(abs(value - mean) for value in values) or 1.0
    variance = math.fsum(((value - mean) / widest) ** 2 for value in values) / (n - 1)
    half = student_t(n - 1) * math.sqrt(variance / n) * widest
    return Spread(n=n, mean=mean, low=mean - half, high=mean + half)


def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t for at least 2 degrees of freedom, to five digits.

    Beyond the table by the expansion of Fisher and Cornish (Abramowitz and Stegun, Handbook of Mathematical Functions,
    26.7.5).
    """
    if freedom - 2 < len(_T):
        return _T[freedom - 2]
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


def band_in_words(counts: Sequence[int]) -> str:
    """What the bands of points with so many values each are."""
    interval = any(n >= INTERVAL_FROM for n in counts)
    if interval and 2 in counts:
        return "95 % interval of the mean; smallest to largest where there are two"
    if interval:
        return "95 % interval of the mean"
    return "smallest to largest" if 2 in counts else ""
