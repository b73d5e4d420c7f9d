"""A job: one submission of an entry point, and where it stands."""

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from tiltyard.wire.model import Json, Request, Text, WireModel
from tiltyard.wire.plugins import PluginPin


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
    over_limit = "over_limit"
    """It used more processes, disk or shared memory than its worker lets a job use."""
    timed_out = "timed_out"
    step_failed = "step_failed"
    """A step or a flow failed, although the entry point exited with 0."""
    start_failed = "start_failed"
    """The worker could not start the entry point: its archive, its scratch directory or its command."""
    worker_lost = "worker_lost"
    """Leases ran out `max_attempts` times."""
    cancel_requested = "cancel_requested"
    dependency = "dependency"
    released = "released"
    """A worker handed the job back before its end; the attempt does not count."""


class Failure(StrEnum):
    """The ways an attempt fails, each of which may be worth another one. Their names are those of the reasons."""

    worker_lost = "worker_lost"
    start_failed = "start_failed"
    exit_code = "exit_code"
    signal = "signal"
    out_of_memory = "out_of_memory"
    over_limit = "over_limit"
    timed_out = "timed_out"
    step_failed = "step_failed"


RETRIED_BY_DEFAULT = (Failure.worker_lost, Failure.start_failed)
"""What is the testbed's failure more than the user's."""


class Condition(StrEnum):
    """How another job must have ended for this one to start; `any` is any end."""

    succeeded = "succeeded"
    failed = "failed"
    any = "any"


class Dependency(Request):
    """A job that must end first. It was submitted before this one, so that no circle can come about."""

    job: Text = Field(max_length=200)
    condition: Condition = Condition.succeeded


MAX_TIMEOUT_SECONDS = 30 * 24 * 3600
"""30 days: no job outlives the broker's longest unacknowledged delivery."""
MAX_DEPENDENCIES = 1_000
MAX_PLUGINS = 50
MAX_PARAMETERS = 1_000


class JobSubmission(Request):
    """What a caller asks for. Everything in it is checked when it is submitted."""

    experiment: Text = Field(min_length=1, max_length=200)
    """The experiment's name; it is made when it does not exist."""
    archive: str = Field(pattern="^[0-9a-f]{64}$")
    """The SHA-256 of an uploaded archive, in hex."""
    entry_point: Text = "main"
    parameters: dict[Text, Json] = Field(default_factory=dict, max_length=MAX_PARAMETERS)
    """Values for declared parameters: JSON of the declared type, or its text form."""
    queue: Text = "cpu"
    timeout: Text | float | None = None
    """Longest run of one attempt: seconds, or text such as `90s`, `30m`, `2h`, `1d`. None: no limit but the longest."""
    queue_timeout: Text | float | None = None
    """Longest stay in the queue, from when it may start; each attempt's anew."""
    progress_timeout: Text | float | None = None
    """Longest silence of an attempt: nothing printed, no metric, no progress, no artifact."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """How often the code may start at most."""
    retry_on: list[Failure] = Field(default_factory=lambda: list(RETRIED_BY_DEFAULT), max_length=20)
    """The failures after which another attempt follows while there is one left."""
    priority: int = Field(default=5, ge=0, le=9)
    """Among jobs of a queue the higher goes first; ten minutes in the queue count as much as one step."""
    after: list[Dependency] = Field(default_factory=list, max_length=MAX_DEPENDENCIES)
    """Jobs that must end first, each as its condition says; when one can not come true any more, this job is cancelled."""
    start_at: AwareDatetime | None = None
    """Not before this moment, which names its time zone."""
    plugins: list[Text] = Field(default_factory=list, max_length=MAX_PLUGINS)
    """Plugins beside the entry point's own, each as `name` or `name==version`; a version here goes before one there."""
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
    queue_timeout: float | None = None
    """Seconds."""
    progress_timeout: float | None = None
    """Seconds."""
    retry_on: list[Failure] = Field(default_factory=lambda: list(RETRIED_BY_DEFAULT))
    priority: int = 5
    after: list[Dependency] = Field(default_factory=list)
    start_at: datetime | None = None
    parent: str | None = None
    """The job that this one was made from, by a retry, a clone or a replay."""
    bundle: str | None = None
    """The digest of the bundle that brought it from another testbed, where it ran."""
    sweep: str | None = None
    """The sweep that made it."""
    held: bool = False
    """It is queued, and its sweep holds it back: that is paused, or has as many under way as it may."""
    plugins: list[PluginPin] = Field(default_factory=list)
    """The versions that it was given when it was submitted; it keeps them, whatever is pushed meanwhile."""
    warnings: list[str] = Field(default_factory=list)
    """What may surprise, said in the answer to its submission and nowhere else."""
    cancel_requested: bool = False
    """A caller asked for its end, and its worker has yet to bring it about."""
    pending_reason: str | None = None
    """What a job that has not started waits for, in one sentence."""
    description: str = ""
    tags: list[str] = Field(default_factory=list)
    created_at: datetime
    started_at: datetime | None = None
    """When the newest attempt started."""
    finished_at: datetime | None = None
    mlflow_run_id: str | None = None
    seq: int
    """The sequence number of the job's newest event; dense from 0."""


class JobChanges(Request):
    """What a retried or cloned job has differently from its parent; what is absent stays as it was."""

    experiment: Text | None = Field(default=None, min_length=1, max_length=200)
    entry_point: Text | None = None
    parameters: dict[Text, Json] = Field(default_factory=dict, max_length=MAX_PARAMETERS)
    """Laid over the parent's."""
    queue: Text | None = None
    timeout: Text | float | None = None
    queue_timeout: Text | float | None = None
    progress_timeout: Text | float | None = None
    max_attempts: int | None = Field(default=None, ge=1, le=100)
    retry_on: list[Failure] | None = Field(default=None, max_length=20)
    priority: int | None = Field(default=None, ge=0, le=9)
    after: list[Dependency] | None = Field(default=None, max_length=MAX_DEPENDENCIES)
    start_at: AwareDatetime | None = None
    plugins: list[Text] | None = Field(default=None, max_length=MAX_PLUGINS)
    """Laid over the parent's, which are taken at their current versions."""
    same_plugins: bool = False
    """Take the very versions that the parent had."""
    description: Text | None = Field(default=None, max_length=10_000)
    tags: list[Text] | None = Field(default=None, max_length=100)


class CancelMany(Request):
    """Which jobs are to end: all that fit everything that is given. Jobs that have ended never fit."""

    states: list[JobState] = Field(default_factory=list, max_length=20)
    experiment: Text | None = None
    sweep: Text | None = None
    """The whole id of the sweep that made them."""
    queue: Text | None = None
    tag: Text | None = None
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    everything: bool = False
    """Needed, and said, where nothing else is given."""
    dry_run: bool = False
    """Only count."""


class CancelledMany(WireModel):
    """How many jobs were meant, and what became of them."""

    matched: int
    cancelled: int
    """Ended at once: they had not started."""
    asked: int
    """Were running, and end when their workers have stopped them."""


class Validation(WireModel):
    """The answer to a submission that was only checked: what would run."""

    entry_point: str
    command: str
    """The command line as the shell would get it."""
    parameters: dict[str, Json]
    queue: str
    timeout: float | None
    plugins: list[PluginPin] = Field(default_factory=list)
    """The versions that it would be given."""
    warnings: list[str] = Field(default_factory=list)
    """What will not fail, and may still surprise: no worker serves the queue, the queue is paused."""
