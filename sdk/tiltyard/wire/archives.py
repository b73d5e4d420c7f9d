"""An archive: an entry point's files, stored once under their SHA-256."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.model import Json, WireModel


class ParameterType(StrEnum):
    """The types an `MLproject` may declare: MLflow's four, and four of ours."""

    string = "string"
    float = "float"
    path = "path"
    uri = "uri"
    integer = "integer"
    boolean = "boolean"
    choice = "choice"
    list = "list"


class Parameter(WireModel):
    """A declared input of an entry point."""

    name: str
    type: ParameterType = ParameterType.string
    default: Json = None
    required: bool = True
    """Whether a value must be given: nothing was declared as its default."""
    choices: list[Json] | None = None
    """What a `choice` may be."""
    items: ParameterType | None = None
    """What a `list` holds; `string` where it does not say."""
    help: str = ""


class GraphFile(WireModel):
    """The file of a graph entry point, as it was read when its archive was stored."""

    path: str
    """Relative to the MLproject's folder."""
    text: str


class EntryPoint(WireModel):
    """An executable in an archive, and its declared parameters."""

    name: str
    command: str
    """The command as declared, with `{name}` where a parameter goes."""
    parameters: list[Parameter] = Field(default_factory=list)
    outputs: str | None = None
    """The folder, relative to the MLproject, whose files are gathered as artifacts; `outputs` where it does not say."""
    plugins: list[str] = Field(default_factory=list)
    """The plugins that it needs, each as `name` or `name==version`."""
    graph: GraphFile | None = None
    """Of an entry point that composes tasks without a script; its command runs this file."""


class Archive(WireModel):
    """A stored archive and what it declares."""

    sha256: str
    size: int
    """Bytes, packed."""
    format: str
    """tar, tar.gz, tar.bz2, tar.xz or zip, as its first bytes say."""
    files: int
    project: str = ""
    """The folder in the archive that holds the MLproject; empty for its root."""
    name: str = ""
    """The name that the MLproject gives itself."""
    entry_points: list[EntryPoint]
    uses: list[str] = Field(default_factory=list)
    """The plugins whose tasks its scripts name in so many words."""
    created_at: datetime
