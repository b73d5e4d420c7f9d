"""An input: what a job was given of another job, or of the model registry, and how an attempt finds it."""

from enum import StrEnum

from pydantic import Field

from tiltyard.wire.model import WireModel


class InputKind(StrEnum):
    """Where an input comes from."""

    artifact = "artifact"
    """A file, or a folder, that another job left."""
    model = "model"
    """A version of a registered model."""


class JobInput(WireModel):
    """What a parameter of a job stood for when its attempt began, or, of a model, when it was submitted."""

    parameter: str
    kind: InputKind = InputKind.artifact
    reference: str
    """What it is, in full: `artifact:JOB/PATH` or `model:NAME/VERSION`, also where an alias was asked for."""
    job: str | None = None
    path: str | None = None
    """Of the artifact, or of the folder."""
    model: str | None = None
    version: str | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of a file's bytes, or of a folder's content: see `tiltyard.archive.content`. None: it was not to be had."""
    size: int = 0
    """Bytes, of all its files."""
    folder: bool = False
    file: str | None = None
    """The name of a model's only file, where it is nothing else."""

    @property
    def is_packed(self) -> bool:
        """Whether it comes as a tar."""
        return self.folder or self.kind is InputKind.model


class InputFile(JobInput):
    """The same for a worker: what to fetch, and where an attempt finds it."""

    reference: str = ""
    place: str
    """Relative to the folder of the MLproject: what the command gets in the parameter's place."""
