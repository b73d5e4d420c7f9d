"""What the gateway asks a reader and what it may answer: plain values, believed no further than they can be checked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from tiltyard.wire import Archive, ProblemItem
from tiltyard.wire.model import WireModel
from tiltyard.wire.plugins import PLUGIN_NAME, PLUGIN_VERSION, Task


class Bounds(WireModel):
    """What one reading may take."""

    seconds: float
    """By the clock."""
    mebibytes: int
    """Of memory, the interpreter's own among them; only Linux holds a process to it."""


class ArchiveUpload(WireModel):
    """An entry point's archive that came."""

    kind: Literal["archive"] = "archive"
    path: Path
    size: int
    sha256: str


class PluginUpload(WireModel):
    """A plugin that came, and what was said of it."""

    kind: Literal["plugin"] = "plugin"
    path: Path
    name: str | None
    version: str | None
    libraries: list[str]
    """Top-level modules that it may not be named like."""


class Asked(WireModel):
    """A question, and how much answering it may cost."""

    upload: Annotated[ArchiveUpload | PluginUpload, Field(discriminator="kind")]
    bounds: Bounds


class ReadArchive(WireModel):
    """An archive in which all is in form."""

    kind: Literal["archive"] = "archive"
    archive: Archive


class ReadDraft(WireModel):
    """The texts of a project whose form is wrong, which is to be checked against the plugins that are here as well."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal["draft"] = "draft"
    document: bytes
    texts: dict[str, bytes]


class ReadPlugin(WireModel):
    """A plugin in which all is in form."""

    kind: Literal["plugin"] = "plugin"
    name: str = Field(pattern=f"^{PLUGIN_NAME}$")
    version: str = Field(pattern=f"^{PLUGIN_VERSION}$")
    description: str
    requires: list[str]
    files: int
    tasks: list[Task]
    artifact_types: list[str]
    packed: bytes = Field(default=b"", exclude=True)
    """Its files in the one form in which they are stored; they travel behind the rest."""


class Wrong(WireModel):
    """What is wrong with an upload."""

    kind: Literal["wrong"] = "wrong"
    code: str
    problems: list[ProblemItem]


Answer = ReadArchive | ReadDraft | ReadPlugin | Wrong
ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
