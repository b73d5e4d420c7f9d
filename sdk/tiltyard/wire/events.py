"""The history of a job, one row at a time; `(job, seq)` names an event, and `seq` is dense from 0.

What `data` holds, by kind:

- `state`: `{state, reason?, message?, exit_code?, signal?, worker?}`
- `log`: `{stream: "stdout"|"stderr", text, partial?: true, dropped?: bytes}`; `partial` when the text stops inside a line,
  `dropped` when that many bytes before this event were left out to keep the log bounded
- `metric`: `{name, value, step, left_out?: n, run?, run_name?}`; NaN and the infinities are the strings `NaN`, `Infinity`,
  `-Infinity`; `left_out` when that many values of this name, which the job logged to MLflow just before this one, are there
  alone; `run` when it was logged to another MLflow run that the job made, a nested one, and is none of the job's own: its id
- `progress`: `{done, total, note}`
- `artifact`: `{path, size, sha256, media_type}`
- `step`: `{name, status, seconds?, message?}`
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tiltyard.wire.jobs import JobState
from tiltyard.wire.model import Json, WireModel


class EventKind(StrEnum):
    """What an event tells."""

    state = "state"
    step = "step"
    log = "log"
    metric = "metric"
    progress = "progress"
    artifact = "artifact"


ReportedKind = Literal[EventKind.step, EventKind.log, EventKind.metric, EventKind.progress]
"""What an attempt may tell of itself. Its job's state and its stored artifacts are the gateway's to tell."""


class Event(WireModel):
    """One row of a job's history."""

    job: str
    seq: int
    at: datetime
    kind: EventKind
    attempt: int
    """The attempt that wrote it; 0 before the first."""
    data: dict[str, Json] = Field(default_factory=dict)


class End(WireModel):
    """The last frame of a job's stream: the final state, and the `seq` of its last event."""

    job: str
    kind: Literal["end"] = "end"
    state: JobState
    seq: int


Frame = Event | End


class EventPage(WireModel):
    """A long poll's answer: the events after the asked `seq`, and `end` when there will be no more."""

    events: list[Event]
    end: End | None = None
    seq: int
    """Ask with `after=seq` next."""


class Reported(WireModel):
    """An event as an attempt reports it; the gateway gives it its `seq`."""

    at: datetime
    """The worker's clock: for people to read, decided on by nobody."""
    kind: ReportedKind
    data: dict[str, Json] = Field(default_factory=dict)
