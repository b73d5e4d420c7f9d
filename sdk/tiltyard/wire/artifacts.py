"""An artifact: a file an attempt produced."""

from datetime import datetime

from tiltyard.wire.model import WireModel


class Artifact(WireModel):
    """A stored file of a job."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    media_type: str
    attempt: int
    created_at: datetime
