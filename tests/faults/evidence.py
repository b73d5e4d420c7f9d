"""Everything that the verdict is given on, gathered once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.ledger import Entry, Recorded
from tests.faults.load import Load, Sent
from tests.faults.scene import Bite, Scene
from tests.faults.witness import Life
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import Event, Frame
from tiltyard.wire.jobs import FINAL_STATES

Found = Iterable[tuple[str | None, str]]
"""Findings: the job, and a sentence."""
FINAL = {state.value for state in FINAL_STATES}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What clients, jobs and database say."""

    load: Load
    bites: Sequence[Bite]
    lives: list[Life]
    recorded: dict[str, Recorded]
    listed: dict[str, list[Artifact]]
    """The artifacts that a client is shown, by job."""

    @property
    def accepted(self) -> list[Sent]:
        """Submissions that were answered with a job."""
        return self.load.accepted

    @property
    def unanswered(self) -> list[Sent]:
        """Submissions that were never answered."""
        return [sent for sent in self.load.sent if sent.job is None]

    def lives_of(self, job: str) -> list[Life]:
        """A job's starts, in the order in which they began."""
        return [life for life in self.lives if life.job == job]

    def may_lose_lease(self, job: str) -> bool:
        """Whether any fault explains that a lease of this job ran out."""
        return any(job in bite.lost_leases for bite in self.bites)

    def may_overlap(self, job: str) -> bool:
        """Whether any fault explains that two attempts of this job ran at once."""
        return any(job in bite.lost_leases and bite.may_overlap for bite in self.bites)

    def may_fail_to_start(self, job: str) -> bool:
        """Whether any fault explains that this job's start failed."""
        return any(job in bite.failed_starts for bite in self.bites)

    def may_fail(self, job: str) -> bool:
        """Whether any fault was this job's own end."""
        return any(job in bite.ended_by_it for bite in self.bites)


@dataclass(frozen=True, kw_only=True)
class Span:
    """The events of one attempt: from its `running` to what ended it."""

    attempt: int
    inside: list[Entry]
    end: Entry | None


def gather(scene: Scene, bites: Sequence[Bite]) -> Evidence:
    """Ask everybody."""
    recorded = {job.id: job for job in scene.yard.ledger.everything() if job.key.startswith(scene.load.mark)}
    return Evidence(
        load=scene.load,
        bites=bites,
        lives=scene.witness.lives(),
        recorded=recorded,
        listed=scene.load.artifacts(recorded),
    )


def spans(job: Recorded) -> list[Span]:
    """A job's history, cut into its attempts."""
    found: list[Span] = []
    inside: list[Entry] | None = None
    attempt = 0
    for event in job.events:
        state = event.data.get("state") if event.kind == "state" else None
        if state is None:
            if inside is not None:
                inside.append(event)
            continue
        if inside is not None:
            found.append(Span(attempt=attempt, inside=inside, end=event))
        inside, attempt = ([], event.attempt) if state == "running" else (None, attempt)
    if inside is not None:
        found.append(Span(attempt=attempt, inside=inside, end=None))
    return found


def events_in(frames: Iterable[Frame]) -> list[Event]:
    """The frames that are events."""
    return [frame for frame in frames if isinstance(frame, Event)]
