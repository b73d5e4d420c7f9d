"""What a bundle holds: an experiment's ended jobs with everything that they are, to be read by another testbed.

A bundle comes from elsewhere: everything in it is held to these shapes, and to what its digests say, before anything of it is
stored.
"""

from datetime import UTC
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from tiltyard.wire.experiments import ExperimentDraft
from tiltyard.wire.jobs import (
    MAX_DEPENDENCIES,
    MAX_PLUGINS,
    Dependency,
    Failure,
    JobState,
    JobSubmission,
    Reason,
)
from tiltyard.wire.model import Json, Text, WireModel
from tiltyard.wire.plugins import PluginPin
from tiltyard.wire.results import Real
from tiltyard.wire.sweeps import MAX_AXES, MAX_CELLS, Axis, SweepMode

BUNDLE_VERSION = 1
MOST_ENTRIES = 500_000
LARGEST_NUMBER = 2**63 - 1
LARGEST_COUNT = 2**31 - 1

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
JobName = Annotated[str, Field(pattern="^[0-9a-f]{20}$")]
Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Size = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class BundleEntry(WireModel):
    """A file of a bundle."""

    name: str = Field(pattern=r"^(jobs/[0-9a-f]{20}\.jsonl|blobs/[0-9a-f]{64}|sweeps\.jsonl)$")
    size: Size
    sha256: Digest

    @model_validator(mode="after")
    def _called_by_its_digest(self) -> Self:
        if self.name.startswith("blobs/") and self.name != f"blobs/{self.sha256}":
            raise ValueError(f"{self.name} is not called by its digest")
        return self


class BundleIndex(WireModel):
    """`bundle.json`: what a bundle holds, in the order in which it holds it. The digest of its bytes is the bundle's."""

    format: Literal["tiltyard-bundle"] = "tiltyard-bundle"
    version: int = BUNDLE_VERSION
    tiltyard: Text
    """The release that wrote it."""
    experiment: ExperimentDraft
    jobs: Count
    left_out: Count = 0
    """Jobs of the experiment that had not ended."""
    archives: list[Digest] = Field(default_factory=list)
    plugins: list[PluginPin] = Field(default_factory=list)
    """The versions whose files are here; a job may name others, which were deleted where it ran."""
    environments: list[Digest] = Field(default_factory=list)
    entries: list[BundleEntry] = Field(max_length=MOST_ENTRIES)


class JobRecord(WireModel):
    """A job that has ended, with all that its row says that means something elsewhere."""

    id: JobName
    archive: Digest
    entry_point: Text
    parameters: dict[Text, Json]
    command: Text
    queue: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    timeout: Seconds | None = None
    queue_timeout: Seconds | None = None
    progress_timeout: Seconds | None = None
    retry_on: list[Failure] = Field(max_length=20)
    priority: int = Field(ge=0, le=9)
    after: list[Dependency] = Field(default_factory=list, max_length=2 * MAX_DEPENDENCIES)
    start_at: Moment | None = None
    plugins: list[PluginPin] = Field(default_factory=list, max_length=4 * MAX_PLUGINS)
    inputs: list[dict[Text, Json]] = Field(default_factory=list, max_length=1_000)
    digest: Digest | None = None
    sweep: JobName | None = None
    parent: JobName | None = None
    description: Text = ""
    tags: list[Text] = Field(default_factory=list, max_length=100)
    state: JobState
    reason: Reason | None = None
    message: Text | None = None
    attempt: Count
    max_attempts: int = Field(ge=1, le=100)
    epoch: Count
    seq: Size
    environment: Digest | None = None
    created_at: Moment
    started_at: Moment | None = None
    finished_at: Moment

    @model_validator(mode="after")
    def _ended(self) -> Self:
        if not self.state.final:
            raise ValueError(f"the job is {self.state}: only jobs that have ended travel")
        if self.attempt > self.max_attempts:
            raise ValueError("it has more attempts than it may have")
        return self


class ArtifactRecord(WireModel):
    """A file that a job left; its bytes are the blob of its digest."""

    path: Text
    size: Size
    sha256: Digest
    media_type: Text = Field(max_length=300)
    attempt: Count
    epoch: Count
    created_at: Moment


class PostedRecord(WireModel):
    """A metric that somebody other than the job recorded for it."""

    name: Text = Field(min_length=1, max_length=250)
    value: Real
    step: int = Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)
    at: Moment


class SweepRecord(WireModel):
    """A sweep of which every cell has ended."""

    id: JobName
    mode: SweepMode
    axes: list[Axis] = Field(max_length=MAX_AXES)
    seed: int | None = Field(default=None, ge=0, le=LARGEST_NUMBER)
    submission: JobSubmission
    """What its cells have in common."""
    cells: int = Field(ge=0, le=MAX_CELLS)
    max_parallel: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    cancelled_at: Moment | None = None
    description: Text = ""
    tags: list[Text] = Field(default_factory=list, max_length=100)
    created_at: Moment
    updated_at: Moment


class CellRecord(WireModel):
    """A cell of a sweep."""

    number: Count
    digest: Digest
    values: dict[Text, Json]
    job: JobName | None = None
    reused: bool = False


class BundleImport(WireModel):
    """What became of a bundle."""

    bundle: str
    """Its digest, which every job that it brought names."""
    experiment: str
    imported: int
    """Jobs that are here now and were not before."""
    skipped: int
    """Jobs that were here already, the same."""
    left_out: int
    """Jobs of the experiment that had not ended when the bundle was written: it has not got them."""
    archives: int
    """Those that were not here before."""
    plugins: list[PluginPin]
    """Versions that were not here before; each is checked as a pushed one is."""
    plugins_left: list[PluginPin]
    """Versions that jobs name and that are not here: other files stand under the name, or the bundle had not got them."""
    sweeps: int = 0
    """Those that came, with the cells of the jobs here."""
