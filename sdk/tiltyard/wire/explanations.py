"""Why a job is where it is: what a pending one waits for, and how each attempt of another ended."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import WireModel


class Waits(StrEnum):
    """What a job can wait for."""

    dependency = "dependency"
    """Another job's end."""
    start_at = "start_at"
    """The moment that its submission names."""
    retry = "retry"
    """The pause before another attempt."""
    paused = "paused"
    """Somebody to resume its queue."""
    no_worker = "no_worker"
    """A worker that serves its queue."""
    sweep = "sweep"
    """Its sweep, which is paused or has as many jobs under way as it may."""
    turn = "turn"
    """The jobs that go before it."""


class Pending(WireModel):
    """One thing that a job waits for."""

    code: Waits
    detail: str
    """One sentence for a person."""
    jobs: list[str] = Field(default_factory=list)
    """The jobs that must end first; of many, some."""
    until: datetime | None = None
    position: int | None = None
    """Its place in the queue; 1 is next."""


class AttemptStory(WireModel):
    """One start of a job's code, and how it ended."""

    attempt: int
    worker: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    """None while it runs."""
    outcome: str
    """`succeeded`, `failed`, `cancelled`, `running`, or `released` when its worker handed the job back."""
    reason: Reason | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: str | None = None


class Explanation(WireModel):
    """The answer to "why is this job as it is?"."""

    job: str
    state: JobState
    summary: str
    """The whole in one or two sentences for a person."""
    pending: list[Pending] = Field(default_factory=list)
    attempts: list[AttemptStory] = Field(default_factory=list)
