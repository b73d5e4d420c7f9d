"""A worker: a process that serves one queue."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tiltyard.wire.model import Text, WireModel


class WorkerState(StrEnum):
    """What a worker does. `lost` is the gateway's word for one that was not heard of for a minute."""

    idle = "idle"
    busy = "busy"
    draining = "draining"
    stopped = "stopped"
    lost = "lost"


class WorkerHeartbeat(WireModel):
    """What a worker says of itself, every 15 seconds and when it changes."""

    host: Text = Field(max_length=255)
    queue: Text
    image: Text = ""
    """The container image or environment it runs in; the queue is named after it."""
    pid: int = 0
    state: WorkerState
    fence: Text = ""
    """What keeps its jobs in: `bubblewrap`, `unshare` or `subreaper`."""
    job: str | None = None
    versions: dict[Text, Text] = Field(default_factory=dict)


class Worker(WireModel):
    """A worker as the gateway knows it."""

    id: str
    host: str
    queue: str
    image: str
    pid: int
    state: WorkerState
    fence: str
    job: str | None = None
    """The job it runs now."""
    versions: dict[str, str] = Field(default_factory=dict)
    started_at: datetime
    last_seen: datetime
