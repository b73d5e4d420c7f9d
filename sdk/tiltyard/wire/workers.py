"""A worker: a process that serves one queue."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.environments import Environment
from tiltyard.wire.model import Text, WireModel


class WorkerState(StrEnum):
    """What a worker does. `lost` is the gateway's word for one that was not heard of for a minute."""

    idle = "idle"
    busy = "busy"
    draining = "draining"
    stopped = "stopped"
    lost = "lost"


class WorkerOrder(StrEnum):
    """What a worker is told to do, in the answer to its heartbeat."""

    drain = "drain"
    """Finish the running job and take nothing new, until it is told to rejoin."""
    stop = "stop"
    """Hand the running job back, so that another worker starts it at once, and end."""


class WorkerHeartbeat(WireModel):
    """What a worker says of itself, every few seconds and when it changes."""

    host: Text = Field(max_length=255)
    queue: Text
    image: Text = ""
    """The container image or environment it runs in; the queue is named after it."""
    pid: int = 0
    incarnation: Text = Field(default="", max_length=100)
    """Another one for each process: what an earlier one of the same name was told is not meant for it."""
    state: WorkerState
    fence: Text = ""
    """What keeps its jobs in: `bubblewrap`, `unshare` or `subreaper`."""
    job: str | None = None
    versions: dict[Text, Text] = Field(default_factory=dict)
    packages: dict[Text, Text] | None = Field(default=None, max_length=5_000)
    """The versions of the packages that its jobs can import. None: as it was said before."""
    modules: list[Text] | None = Field(default=None, max_length=20_000)
    """The top-level modules that its jobs can import. None: as it was said before."""
    environment: Environment | None = None
    """What its jobs run in. None: as it was said before."""


class Worker(WireModel):
    """A worker as the gateway knows it."""

    id: str
    host: str
    queue: str
    image: str
    pid: int
    state: WorkerState
    order: WorkerOrder | None = None
    """What it is told to do, and may not have done yet."""
    fence: str
    job: str | None = None
    """The job it runs now."""
    versions: dict[str, str] = Field(default_factory=dict)
    environment: str | None = None
    """The digest of what its jobs run in."""
    tell_all: bool = False
    """It is to say with its next heartbeat what is installed there and what its jobs run in: that is not known here."""
    started_at: datetime
    last_seen: datetime
