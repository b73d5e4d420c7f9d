"""Jobs that ended long ago: exported with their events to the store, so that the tables stay small."""

from datetime import datetime

from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.model import Request, Text, WireModel


class ExportedJob(WireModel):
    """A job that was exported: where it stood, and its record's size and digest.

    The record is JSON lines, compressed with gzip: the job, then each of its events in order, then each of its artifacts, then
    each metric that others posted, then its manifest.
    """

    id: str
    experiment: str
    entry_point: str
    state: JobState
    reason: Reason | None = None
    created_at: datetime
    finished_at: datetime
    exported_at: datetime
    events: int
    size: int
    """Bytes of the record."""
    sha256: str


class Prune(Request):
    """Which jobs are to be exported: those that ended longer ago than this."""

    older_than: Text | float
    """Seconds, or text such as `12h` or `90d`."""
    dry_run: bool = False
    """Only count."""


class Pruned(WireModel):
    """How many jobs had ended long enough ago, and how many of them were exported now."""

    matched: int
    exported: int
