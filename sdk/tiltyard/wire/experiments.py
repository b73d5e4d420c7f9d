"""An experiment: a named collection of related jobs."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from tiltyard.wire.model import Request, Text, WireModel

NAME_RULE = (
    r"an experiment's name holds none of / \ ? # % and no control characters, and is not blank, `.` or `..`"
)


def _addressable(name: str) -> str:
    # Whoever sends an address takes `.` and `..` out of it: the experiment could be made, and never be asked for.
    if not name.strip() or name in {".", ".."}:
        msg = "is neither blank nor `.` or `..`"
        raise ValueError(msg)
    return name


ExperimentName = Annotated[
    Text,
    Field(min_length=1, max_length=200, pattern=r"^[^/\\?#%\x00-\x1f\x7f]+$"),
    AfterValidator(_addressable),
]
"""What a new experiment may be called."""


class ExperimentDraft(Request):
    """A new experiment."""

    name: ExperimentName
    description: Text = Field(default="", max_length=10_000)


class ExperimentPatch(Request):
    """What of an experiment can change. What is left out stays."""

    name: ExperimentName | None = None
    description: Text | None = Field(default=None, max_length=10_000)


class Experiment(WireModel):
    """An experiment and how its jobs stand."""

    name: str
    description: str
    jobs: dict[str, int] = Field(default_factory=dict)
    """How many jobs are in each state that has any."""
    created_at: datetime
    updated_at: datetime
