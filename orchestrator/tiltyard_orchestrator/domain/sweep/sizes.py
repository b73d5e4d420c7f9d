"""How large a sweep is going to be: told by the counts alone, before any of its values is worked out."""

import math
from collections.abc import Iterator

from tiltyard.wire.problems import ProblemItem
from tiltyard.wire.sweeps import MAX_CELLS, SweepMode, SweepSubmission

MOST_CUT = 1_000_000
"""Values of all ranges: ten zipped ranges of the longest sweep."""


def size_problems(asked: SweepSubmission) -> Iterator[ProblemItem]:
    """What is too much of a sweep."""
    sizes = [max(1, axis.count or 1 if axis.values is None else len(axis.values)) for axis in asked.axes]
    cells = math.prod(sizes) if asked.mode is SweepMode.grid else 1
    if cells > MAX_CELLS:
        shown = f"{cells:,}" if cells < 10**15 else "far too many"
        detail = f"these axes make {shown} cells, and a sweep has {MAX_CELLS:,} at most: leave values out, or draw some"
        yield ProblemItem(pointer="/axes", code="too_many_cells", detail=detail)
    cut = sum(size for size, axis in zip(sizes, asked.axes, strict=True) if axis.values is None)
    if cut > MOST_CUT:
        detail = f"the ranges are cut into {cut:,} values, and {MOST_CUT:,} may be: lower `count`, or draw from a range"
        yield ProblemItem(pointer="/axes", code="too_many_values", detail=detail)
