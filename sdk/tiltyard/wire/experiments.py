"""An experiment: a named collection of related jobs."""

from datetime import datetime

from pydantic import Field

from tiltyard.wire.model import Text, WireModel


class ExperimentDraft(WireModel):
    """A new experiment."""

    name: Text = Field(min_length=1, max_length=200, pattern=r"^[^/\\?#%\x00-\x1f\x7f]+$")
    description: Text = Field(default="", max_length=10_000)


class ExperimentPatch(WireModel):
    """What of an experiment can change. What is left out stays."""

    name: Text | None = Field(
        default=None, min_length=1, max_length=200, pattern=r"^[^/\\?#%\x00-\x1f\x7f]+$"
    )
    description: Text | None = Field(default=None, max_length=10_000)


class Experiment(WireModel):
    """An experiment and how its jobs stand."""

    name: str
    description: str
    jobs: dict[str, int] = Field(default_factory=dict)
    """How many jobs are in each state that has any."""
    created_at: datetime
    updated_at: datetime
