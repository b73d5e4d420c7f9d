"""A plugin: a named, versioned, immutable package of tasks, as it was read from its syntax tree."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.model import Json, Text, WireModel

PLUGIN_NAME = r"[a-z_][a-z0-9_]{0,99}"
PLUGIN_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}"
"""Of the whole of a version, as of a name: patterns without their ends."""


class Kind(StrEnum):
    """What a task takes and gives, as far as the catalogue tells types apart."""

    any = "any"
    none = "none"
    boolean = "boolean"
    integer = "integer"
    float = "float"
    string = "string"
    path = "path"
    choice = "choice"
    list = "list"
    tuple = "tuple"
    mapping = "mapping"
    union = "union"
    array = "array"
    table = "table"
    model = "model"
    dataset = "dataset"
    figure = "figure"
    other = "other"
    """A class that only the plugin knows; it is known here by its name."""


class Type(WireModel):
    """The type of an input or output."""

    kind: Kind = Kind.any
    of: list["Type"] = Field(default_factory=list)
    """What a list, a tuple, a mapping (keys, values) or a union is made of."""
    choices: list[Json] = Field(default_factory=list)
    name: str = ""
    """The dotted name of a class, where `kind` is `other`."""
    words: str = ""
    """What the annotation says beside the type: shape and dtype, unit, range."""


class TaskInput(WireModel):
    """A parameter of a task's function."""

    name: str
    type: Type = Type()
    required: bool = True
    default: Json = None
    """Where it is not required, and is JSON."""
    default_text: str = ""
    """The default as it is written in the source, where there is one."""
    keyword_only: bool = False
    variadic: bool = False
    """`*name` takes any number of positional arguments; with `keyword_only` it is `**name`, and takes any keyword."""
    help: str = ""


class TaskOutput(WireModel):
    """One of a task's results."""

    name: str
    type: Type = Type()
    help: str = ""


class Task(WireModel):
    """A function of a plugin that entry points call."""

    plugin: str
    version: str
    name: str
    """Its own among the plugin's tasks."""
    module: str
    """Dotted, from the plugin's package on: `tiltyard_plugins.evasion`."""
    function: str
    summary: str = ""
    description: str = ""
    """The rest of its docstring, without the sections that inputs and outputs show."""
    inputs: list[TaskInput] = Field(default_factory=list)
    outputs: list[TaskOutput] = Field(default_factory=list)
    """Several come as a tuple or a mapping; none for a function that returns None."""
    tags: list[str] = Field(default_factory=list)
    retries: int = 0
    timeout: float | None = None
    """Seconds."""
    imports: list[str] = Field(default_factory=list)
    """The top-level modules outside the plugin and the standard library that its module needs to load."""

    @property
    def path(self) -> str:
        """How a script names it."""
        return f"{self.module}.{self.function}"


class PluginState(StrEnum):
    """How a version stands."""

    checking = "checking"
    """It is being loaded in a sandbox on a worker, or waits for one."""
    ready = "ready"
    refused = "refused"
    """It did not load; `problem` says why."""


class PluginVersion(WireModel):
    """One immutable version of a plugin."""

    plugin: str
    version: str
    sha256: str
    """Of its files, packed in one way: the same files are the same digest, however they were sent."""
    size: int
    """Bytes, packed."""
    files: int
    state: PluginState
    current: bool = False
    """Whether new jobs that name the plugin alone get this version."""
    deprecated: str | None = None
    """Why it is not to be used any more; jobs that name it still run, and are warned."""
    problem: str | None = None
    """What was printed when it did not load: most often a traceback."""
    check: str | None = None
    """The job that loads it."""
    description: str = ""
    requires: list[str] = Field(default_factory=list)
    """Requirements that it declares (`torch>=2`); images are checked against them, and nothing is installed."""
    tasks: list[Task] = Field(default_factory=list)
    artifact_types: list[str] = Field(default_factory=list)
    """The names of the artifact types that it registers, for graphs to save their results as."""
    created_at: datetime


class Plugin(WireModel):
    """A plugin, and which of its versions is the current one."""

    name: str
    """The name that its package is imported by."""
    current: str | None = None
    description: str = ""
    versions: int
    tasks: int
    """Of the current version."""
    created_at: datetime
    updated_at: datetime


class PluginPin(WireModel):
    """A version that a job was given when it was submitted, and keeps."""

    name: str
    version: str
    sha256: str


class Availability(WireModel):
    """Whether the workers of a queue can load a task."""

    queue: str
    available: bool | None = None
    """None: no worker of this queue was heard of lately."""
    why: str = ""
    """What is missing there."""


class TaskListing(WireModel):
    """A task of a current version, and where it can be used."""

    task: Task
    queues: list[Availability] = Field(default_factory=list)


class PluginChange(WireModel):
    """What is to become of a plugin's version."""

    deprecated: Text | None = Field(default=None, max_length=2_000)
    """Why it is not to be used any more; null takes that back."""
