"""A sweep: many jobs as one thing, one for each choice of values of the parameters that are its axes."""

from datetime import datetime
from enum import StrEnum

from pydantic import ConfigDict, Field, FiniteFloat

from tiltyard.wire.jobs import JobState, JobSubmission
from tiltyard.wire.model import Json, Request, Text, WireModel

MAX_CELLS = 100_000
MAX_AXES = 20


class SweepMode(StrEnum):
    """How the values of the axes are put together."""

    grid = "grid"
    """Each value of each axis with each of every other one."""
    zip = "zip"
    """The first values of all axes, the second values, and so on: axes of equal length."""
    random = "random"
    """So many choices, drawn with a seed, none of them twice."""


class Scale(StrEnum):
    """How values are spread over a range."""

    linear = "linear"
    log = "log"
    """Each value is the one before it times the same factor; both ends are above 0."""


class Axis(Request):
    """The values that one parameter takes: listed, or a range from one number to another, both included.

    A range is cut into `count` values. In a random sweep it may have no `count`: then any number in it may be drawn.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    parameter: Text = Field(max_length=300)
    values: list[Json] | None = Field(default=None, max_length=MAX_CELLS)
    start: int | FiniteFloat | None = Field(default=None, alias="from")
    stop: int | FiniteFloat | None = Field(default=None, alias="to")
    count: int | None = Field(default=None, ge=1, le=MAX_CELLS)
    scale: Scale | None = None
    """Of a range; linear where it is not given."""


class SweepSubmission(JobSubmission):
    """Many jobs at once: what they have in common, as in a job's submission, and the axes in which they differ.

    What a job says beside that is said once for all: `description` is the sweep's, `tags` are the sweep's and its jobs',
    and what is named in `after` is waited for by each of them.
    """

    axes: list[Axis] = Field(min_length=1, max_length=MAX_AXES)
    mode: SweepMode = SweepMode.grid
    count: int | None = Field(default=None, ge=1, le=MAX_CELLS)
    """How many choices a random sweep draws."""
    seed: int | None = Field(default=None, ge=0, lt=2**53)
    """Of a random sweep: the same seed draws the same choices, and a higher `count` the same and more."""
    max_parallel: int | None = Field(default=None, ge=1, le=MAX_CELLS)
    """How many of its jobs may be in their queue or running at a time; the others are held back until one has ended."""


class SweepState(StrEnum):
    """Where a sweep stands: what its cells' jobs make of it."""

    running = "running"
    """Not all of its cells have ended."""
    paused = "paused"
    """Not all of its cells have ended, and none is started until somebody resumes it."""
    succeeded = "succeeded"
    """Every cell has."""
    failed = "failed"
    """Every cell has ended, and at least one failed."""
    cancelled = "cancelled"
    """Every cell has ended; none failed, and at least one was cancelled."""

    @property
    def final(self) -> bool:
        """Whether nothing of it is still to run. A retry opens it again."""
        return self in {SweepState.succeeded, SweepState.failed, SweepState.cancelled}


class Sweep(WireModel):
    """A sweep as its callers see it."""

    id: str
    experiment: str
    archive: str
    entry_point: str
    queue: str
    parameters: dict[str, Json]
    """Those that are the same in every cell, as they were given."""
    axes: list[Axis]
    """Each with the values that its cells have of it; a range that was drawn from is told beside them."""
    mode: SweepMode
    seed: int | None = None
    state: SweepState
    cells: int
    jobs: dict[str, int]
    """How many cells have a job in this state."""
    held: int = 0
    """How many of the queued ones are held back, by `max_parallel` or because it is paused."""
    reused: int = 0
    """Cells whose job was there before the sweep, and was not run again."""
    missing: int = 0
    """Cells whose job was exported or removed."""
    progress: float
    """The part of the cells that has ended, from 0 to 1."""
    eta: float | None = None
    """Seconds that the rest will take, going by the pace so far; None where there is no pace yet, or nothing left."""
    max_parallel: int | None = None
    description: str = ""
    tags: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    """What may surprise, said in the answer to its submission and nowhere else."""
    created_at: datetime
    updated_at: datetime
    """When it was last paused, resumed, cancelled, retried or changed."""
    cancelled_at: datetime | None = None


class SweepPlan(WireModel):
    """What a sweep would come to, if it were submitted now."""

    cells: int
    jobs: int
    """That would be made and run."""
    reused: int
    """Cells whose job is there already."""
    axes: list[Axis]
    """Each with the values that its cells would have of it."""
    seed: int | None = None
    """Of a random sweep; submit it with this one, and its choices are these."""
    warnings: list[str] = Field(default_factory=list)


class SweepChanges(Request):
    """What may be changed of a sweep; what is absent stays as it is."""

    max_parallel: int | None = Field(default=None, ge=1, le=MAX_CELLS)
    """None, where it is given, lifts the limit."""
    description: Text | None = Field(default=None, max_length=10_000)


class SweepRetry(Request):
    """Which cells are to be run once more, beside those whose job failed."""

    cancelled: bool = False
    """Those, too, whose job was cancelled."""


class SweepRetried(WireModel):
    """What a retry did."""

    sweep: Sweep
    made: int
    """New jobs."""
    linked: int
    """Cells for which another job of the experiment has succeeded meanwhile, or is on its way."""
    passed_over: int
    """Cells that were cancelled because a job that they were to run after had not come to its end as it should."""
    unmet: list[str] = Field(default_factory=list)
    """Those jobs, 20 at most: where one of them is retried first, the next retry of the sweep runs its cells after that."""


class Cell(WireModel):
    """One choice of values, and the job that runs it or ran it."""

    number: int
    """Counts from 0, in the order of the axes: the last one moves fastest."""
    digest: str
    """Of all that determines what it comes to."""
    values: dict[str, Json]
    """Of the axes."""
    job: str | None = None
    """None: it was exported or removed."""
    state: JobState | None = None
    """Its job's."""
    held: bool = False
    reused: bool = False
    """Whether its job was there before the sweep."""
