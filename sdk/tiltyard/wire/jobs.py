"""A job: one submission of an entry point, and where it stands."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.model import Json, Text, WireModel


class JobState(StrEnum):
    """Where a job stands. The last three are final, and a final state never changes."""

    waiting = "waiting"
    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def final(self) -> bool:
        """Whether a job in this state has ended."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.succeeded, JobState.failed, JobState.cancelled})


class Reason(StrEnum):
    """Why a job is in its state, where the state alone does not say it."""

    exit_code = "exit_code"
    """The entry point exited with a code other than 0."""
    signal = "signal"
    """The entry point was ended by a signal it did not ask for."""
    out_of_memory = "out_of_memory"
    timed_out = "timed_out"
    start_failed = "start_failed"
    """The worker could not start the entry point: its archive, its scratch directory or its command."""
    worker_lost = "worker_lost"
    """Leases ran out `max_attempts` times."""
    cancel_requested = "cancel_requested"
    dependency = "dependency"
    released = "released"
    """A worker handed the job back before its end; the attempt does not count."""


MAX_TIMEOUT_SECONDS = 30 * 24 * 3600
"""30 days: no job outlives the broker's longest unacknowledged delivery."""


class JobSubmission(WireModel):
    """What a caller asks for. Everything in it is checked when it is submitted."""

    experiment: Text = Field(min_length=1, max_length=200)
    """The experiment's name; it is made when it does not exist."""
    archive: str = Field(pattern="^[0-9a-f]{64}$")
    """The SHA-256 of an uploaded archive, in hex."""
    entry_point: Text = "main"
    parameters: dict[Text, Json] = Field(default_factory=dict)
    """Values for declared parameters: JSON of the declared type, or its text form."""
    queue: Text = "cpu"
    timeout: Text | float | None = None
    """Longest run of one attempt: seconds, or text such as `90s`, `30m`, `2h`, `1d`. None: no limit but the longest."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """How often the code may start at most."""
    description: Text = Field(default="", max_length=10_000)
    tags: list[Text] = Field(default_factory=list, max_length=100)


class Job(WireModel):
    """A job as its callers see it."""

    id: str
    experiment: str
    archive: str
    entry_point: str
    parameters: dict[str, Json]
    """Every declared parameter with the value it has in this job, defaults filled in."""
    queue: str
    state: JobState
    reason: Reason | None = None
    message: str | None = None
    """One sentence for a person: what ended the job, and what to do next."""
    attempt: int
    """Attempts started so far."""
    max_attempts: int
    timeout: float | None = None
    """Seconds."""
    description: str = ""
    tags: list[str] = Field(default_factory=list)
    created_at: datetime
    started_at: datetime | None = None
    """When the newest attempt started."""
    finished_at: datetime | None = None
    mlflow_run_id: str | None = None
    seq: int
    """The sequence number of the job's newest event; dense from 0."""


class Validation(WireModel):
    """The answer to a submission that was only checked: what would run."""

    entry_point: str
    command: str
    """The command line as the shell would get it."""
    parameters: dict[str, Json]
    queue: str
    timeout: float | None
    warnings: list[str] = Field(default_factory=list)
    """What will not fail, and may still surprise: no worker serves the queue, the queue is paused."""
