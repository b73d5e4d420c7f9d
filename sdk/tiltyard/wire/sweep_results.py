"""What the cells of a sweep came to, one row a cell."""

from tiltyard.wire.jobs import JobState
from tiltyard.wire.model import Json, WireModel
from tiltyard.wire.results import Real


class CellResult(WireModel):
    """A cell, its job, and the job's metrics as they stand."""

    number: int
    """Counts from 0, in the order of the axes: the last one moves fastest."""
    job: str | None = None
    """None: it was exported or removed."""
    state: JobState | None = None
    """Its job's. Metrics of one that has not ended are those so far."""
    reused: bool = False
    """Whether its job was there before the sweep."""
    values: dict[str, Json]
    """Of the axes, in their order."""
    parameters: dict[str, Json] | None = None
    """All that its job was given, where that is asked for."""
    metrics: dict[str, Real]
    """By name, as they stand."""
