"""A queue: named after a worker image; jobs wait in it for a worker of that image."""

from datetime import datetime

from pydantic import Field

from tiltyard.wire.model import Request, Text, WireModel


class QueueDraft(Request):
    """A new queue."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    description: Text = Field(default="", max_length=1_000)


class QueuePatch(Request):
    """What of a queue can change. A paused queue takes submissions and starts nothing."""

    paused: bool | None = None
    description: Text | None = Field(default=None, max_length=1_000)


class Queue(WireModel):
    """A queue, and how busy it is."""

    name: str
    description: str
    paused: bool
    queued: int
    """Jobs that wait in it."""
    running: int
    workers: int
    """Workers that serve it and were seen within the last minute."""
    created_at: datetime
