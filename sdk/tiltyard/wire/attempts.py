"""The worker's side of the protocol: claim, report, finish, release.

Every call names its job and epoch. An epoch that is no longer the job's answers 409 `attempt_superseded`: the worker
stops the job's processes and forgets the attempt.
"""

from pydantic import Field

from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.events import Reported
from tiltyard.wire.inputs import InputFile
from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import Json, Request, Text, WireModel
from tiltyard.wire.plugins import PluginPin


class ClaimRequest(Request):
    """A worker asks for the next job of its queue. Asked again with the same token, it gets the same job again."""

    worker: Text = Field(max_length=200)
    token: str = Field(pattern=r"^tya_[A-Za-z0-9_-]{40,100}$")
    """The attempt's token, which the worker made up: an answer that was lost can be given again, and no other worker has it."""


class Claim(WireModel):
    """The whole specification of an attempt, and its token: the one that was asked with."""

    job: str
    epoch: int
    attempt: int
    max_attempts: int
    token: str
    experiment: str
    mlflow_experiment_id: str | None = None
    tracked: bool = False
    """Whether this testbed has an MLflow: it is reached at the gateway's `/mlflow`, with the attempt's token."""
    archive: str
    archive_size: int
    project: str
    """The folder in the archive that holds the MLproject."""
    entry_point: EntryPoint
    parameters: dict[str, Json]
    command: str
    """The shell command, parameters quoted into it."""
    plugins: list[PluginPin] = Field(default_factory=list)
    """The versions that its code sees, by name."""
    inputs: list[InputFile] = Field(default_factory=list)
    queue: str
    timeout: float | None = None
    """Seconds this attempt may run."""
    progress_timeout: float | None = None
    """Seconds this attempt may be silent."""
    lease_seconds: float
    renew_seconds: float


class Report(WireModel):
    """News of an attempt; renews its lease. An empty one is a heartbeat."""

    first: int = Field(ge=0)
    """The attempt's own number of the first event here, dense from 0: a repeated report is recognised by it."""
    events: list[Reported] = Field(default_factory=list, max_length=2_000)
    mlflow_run_id: Text | None = None


class ReportAnswer(WireModel):
    """What the attempt is to do next."""

    cancel: bool
    """A caller asked for the end: stop the processes, then finish as `cancelled`."""
    lease_seconds: float


class Finish(WireModel):
    """An attempt's result. Its artifacts are stored before it is sent."""

    first: int = Field(ge=0)
    events: list[Reported] = Field(default_factory=list, max_length=2_000)
    """The last events, written before the final one."""
    state: JobState
    reason: Reason | None = None
    message: Text | None = None
    exit_code: int | None = None
    signal: Text | None = None
    mlflow_run_id: Text | None = None


class FinishAnswer(WireModel):
    """What became of the job."""

    state: JobState
    """The job's state after this attempt: final, or `queued` when another attempt follows."""
