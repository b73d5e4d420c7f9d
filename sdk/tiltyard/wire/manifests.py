"""A job's manifest: everything that determined what it came to, what it ran in, and what it came to, with digests.

Of a job that has ended it never changes, and its own digest is that of its canonical JSON without the digest. What is told
of a job from outside afterwards, a posted metric or a new name of its experiment, is no part of it.
"""

from datetime import datetime

from pydantic import Field

from tiltyard.wire.environments import Environment
from tiltyard.wire.explanations import AttemptStory
from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import Json, Text, WireModel
from tiltyard.wire.plugins import PluginPin
from tiltyard.wire.results import Real

MANIFEST_VERSION = 1


class ManifestInput(WireModel):
    """A file, a folder or a model that a job was given."""

    parameter: Text
    kind: Text
    """`artifact` or `model`."""
    reference: Text
    """What it is, an alias resolved: `artifact:JOB/PATH` or `model:NAME/VERSION`."""
    job: Text | None = None
    path: Text | None = None
    model: Text | None = None
    version: Text | None = None
    sha256: str | None = None
    """None: it was not there."""
    size: int | None = None
    """Bytes."""
    folder: bool = False
    """Whether it is a folder: then the digest is that of its files by name."""


class Seed(WireModel):
    """A parameter that makes chance repeatable."""

    parameter: str
    value: Json
    found: str
    """Why it is taken for one."""


class ManifestExit(WireModel):
    """How a job ended, or stands."""

    state: JobState
    reason: Reason | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: str | None = None


class OutputFile(WireModel):
    """A file that a job left."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    media_type: str


class Manifest(WireModel):
    """What a job was, and what it came to."""

    version: int = MANIFEST_VERSION
    digest: str | None = None
    """Of the rest, as canonical JSON; None while the job has not ended."""
    complete: bool
    """Whether the job has ended: before that, this is what is known so far."""
    job: str
    parent: str | None = None
    archive: str
    entry_point: str
    parameters: dict[str, Json]
    """Every declared parameter with its value."""
    command: str
    """What the shell was given, parameters quoted into it."""
    queue: str
    plugins: list[PluginPin] = Field(default_factory=list)
    inputs: list[ManifestInput] = Field(default_factory=list)
    environment: str | None = None
    """The digest of what the newest attempt ran in; None where its worker did not say."""
    ran_in: Environment | None = None
    seeds: list[Seed] = Field(default_factory=list)
    attempts: list[AttemptStory] = Field(default_factory=list)
    exit: ManifestExit
    metrics: dict[str, Real] = Field(default_factory=dict)
    """The last value of each metric that the newest attempt told."""
    outputs: list[OutputFile] = Field(default_factory=list)
    tiltyard: str | None = None
    """The release that the worker ran."""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
