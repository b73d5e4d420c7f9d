"""An artifact: a file that an attempt produced, or that somebody added to a job."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from tiltyard.wire.model import Request, Text, WireModel

LONGEST_LINK = 3600
"""Seconds."""


class Artifact(WireModel):
    """A stored file of a job."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    media_type: str
    attempt: int
    """The attempt that left it; 0 for a file that somebody added."""
    created_at: datetime


class LinkDraft(Request):
    """Which file an address is wanted for, and for how long."""

    path: Annotated[Text, Field(min_length=1, max_length=1024)]
    seconds: Annotated[int, Field(ge=1, le=LONGEST_LINK)] = 600


class ArtifactLink(WireModel):
    """An address where anybody who has it can fetch one file, for a while."""

    url: str
    expires_at: datetime
