"""What jobs came to: their metrics, as numbers that may be NaN or infinite, which JSON alone has no way to write."""

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import Json, Request, Text, WireModel

LONGEST_METRIC_NAME = 250
"""Characters, as MLflow has it."""
_WRITTEN = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def as_real(value: Any) -> float | None:
    """A number as the wire has it, `"NaN"` and the infinities among them; None for whatever is no number."""
    if isinstance(value, str):
        return _WRITTEN.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def written(value: float) -> float | str:
    """A number as JSON can hold it: those that it has no word for are `"NaN"`, `"Infinity"` and `"-Infinity"`."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _checked(value: Any) -> float:
    number = as_real(value)
    if number is None:
        raise ValueError('is no number: write one, or "NaN", "Infinity" or "-Infinity"')
    return number


Real = Annotated[
    float,
    BeforeValidator(_checked),
    PlainSerializer(written, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": sorted(_WRITTEN)}]}),
]
"""A double: a JSON number, or one of the texts `NaN`, `Infinity` and `-Infinity`, both ways."""


class Metric(WireModel):
    """A value of a metric of a job."""

    name: str
    value: Real
    step: int
    """What orders the values of one name; 0 where nobody said."""
    at: datetime
    attempt: int
    """The attempt that told it; 0 for one that somebody else posted."""


class MetricDraft(Request):
    """A value that somebody other than the job records for it."""

    name: Text = Field(min_length=1, max_length=LONGEST_METRIC_NAME)
    value: Real
    step: int = Field(default=0, ge=-(2**63), le=2**63 - 1)


class MetricHistory(WireModel):
    """One page of the values of a metric: by step, and at one step in the order in which they were told."""

    job: str
    name: str
    complete: bool
    """Whether it is all that was logged. A job that logs to MLflow faster than events are written leaves values out of its
    events; MLflow has them, and where it can be asked the history is its own, in its order: by time, then step."""
    source: Literal["events", "mlflow"]
    items: list[Metric]
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class Result(WireModel):
    """What a job came to: one row of an experiment's results."""

    id: str
    state: JobState
    reason: Reason | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    """How long its newest attempt ran; absent until it has ended."""
    queue: str
    entry_point: str
    sweep: str | None = None
    """The sweep that made it."""
    tags: list[str]
    parameters: dict[str, Json]
    metrics: dict[str, Real]
    """Each as it stands: of the newest attempt, or posted."""
