"""What was promised of every call, as a few lines of Python that know neither SQL nor the product's decisions.

Time stands still here unless a test says that it passes: every pause, lease and interval of the tests is far longer than
they run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FINAL = {"succeeded", "failed", "cancelled"}
STEP_SECONDS = 600


@dataclass(kw_only=True)
class Life:
    """A job as it should be."""

    id: str
    name: str
    """What it is called where a test has failed."""
    queue: str
    priority: int
    max_attempts: int
    retry_on: set[str]
    after: dict[str, str]
    """The condition of each job that it waits for."""
    early: bool
    """Its start time has not come."""
    hurried: bool
    """It has a queue time-out."""

    state: str
    reason: str | None = None
    epoch: int = 0
    attempt: int = 0
    asked: bool = False
    token: str | None = None
    """Of the newest attempt."""
    reported: int = 0
    finished: int | None = None
    entered: int | None = None
    """When it first came to its queue; what counts is only the order."""
    aged: int = 0
    """Seconds that it waited there since."""
    due: bool = False
    pausing: bool = False
    late: bool = False
    """It runs, and its lease has run out."""
    overdue: bool = False
    history: list[tuple[str, str]] = field(default_factory=list)
    """The kind and the state or text of each event."""

    digest: str | None = None
    sweep: str | None = None
    """The one that made it."""
    parent: str | None = None
    held: bool = False
    """It is in its queue, and its sweep has no room for it yet."""
    born: int = 0

    @property
    def ended(self) -> bool:
        return self.state in FINAL

    @property
    def turn(self) -> tuple[int, int, str]:
        """The smallest is next: ten minutes in the queue count as much as one step of priority."""
        assert self.entered is not None
        return -(self.priority * STEP_SECONDS + self.aged), self.entered, self.id

    def row(self) -> dict[str, Any]:
        """The columns that are promised, and how its moments stand by the database's clock."""
        return {
            "state": self.state,
            "reason": self.reason,
            "epoch": self.epoch,
            "attempt": self.attempt,
            "cancel_requested": self.asked,
            "reported": self.reported,
            "seq": len(self.history) - 1,
            "finished_epoch": self.finished,
            "due": self.due,
            "pausing": self.pausing,
            "late": self.late,
            "overdue": self.overdue,
            "digest": self.digest,
            "sweep_id": self.sweep,
            "parent_id": self.parent,
            "held": self.held,
        }

    def holds(self, epoch: int) -> bool:
        return self.state == "running" and self.epoch == epoch

    def go(self, state: str, reason: str | None = None) -> None:
        """Move, and write the event that tells of it."""
        self.state, self.reason = state, reason
        self.due = self.pausing = self.late = self.overdue = self.held = False
        self.history.append(("state", state))

    def write(self, first: int, lines: list[str]) -> None:
        """Write those of an attempt's lines that are new."""
        self.history += [("log", line) for line in lines[self.reported - first :]]
        self.reported = max(self.reported, first + len(lines))


class Promise:
    """All jobs as they should be."""

    def __init__(self) -> None:
        self.jobs: dict[str, Life] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        """The job and the request that an idempotency key stands for."""
        self.paused: set[str] = set()
        self._moments = 0

    def enter(self, life: Life, reason: str | None = None, *, pausing: bool = False) -> None:
        """Come to the queue, for the first time or again: the place in it is that of the first time."""
        life.go("queued", reason)
        life.due, life.pausing = not pausing, pausing
        life.held = life.sweep is not None  # until its sweep lets it go
        life.entered = self._moments if life.entered is None else life.entered

    def submit(self, life: Life) -> None:
        self._moments += 1
        self.jobs[life.id] = life
        life.born = self._moments
        if life.state == "queued":
            self.enter(life)
        else:
            life.go("waiting")
            if self._dead(life) or self._come(life):
                self._settle_one(life)

    def _dead(self, life: Life) -> bool:
        """Whether something that it waits for can not come any more."""
        waited = [(self.jobs[job], condition) for job, condition in life.after.items()]
        return any(other.ended and condition not in {"any", other.state} for other, condition in waited)

    def _come(self, life: Life) -> bool:
        return not life.early and all(self.jobs[job].ended for job in life.after)

    def _settle_one(self, life: Life) -> None:
        if self._dead(life):
            life.go("cancelled", "dependency")
        else:
            self.enter(life)

    def settle(self, fits: Callable[[Life], bool]) -> set[str]:
        """Look at those that wait and fit."""
        self._moments += 1
        waiting = [life for life in self.jobs.values() if life.state == "waiting" and fits(life)]
        over = [life for life in waiting if self._dead(life) or self._come(life)]
        for life in over:
            self._settle_one(life)
        return {life.id for life in over}

    def settle_those_that_wait_for(self, ended: set[str]) -> set[str]:
        return self.settle(lambda life: bool(life.after.keys() & ended))

    def settle_those_that_wait_for_none(self) -> set[str]:
        return self.settle(lambda life: not life.after)

    def decided(self) -> set[str]:
        """The jobs that others wait for and that have ended."""
        waited_for = {job for life in self.jobs.values() if life.state == "waiting" for job in life.after}
        return {job for job in waited_for if self.jobs[job].ended}

    def dispatch(self) -> set[str]:
        due = {
            life.id
            for life in self.jobs.values()
            if life.due and not life.held and life.queue not in self.paused
        }
        for job in due:
            self.jobs[job].due = False
        return due

    def resume(self, queue: str) -> set[str]:
        """What waited out the pause is due now; a job that pauses for a reason of its own is not."""
        self.paused.discard(queue)
        queued = [life for life in self.jobs.values() if life.state == "queued" and life.queue == queue]
        for life in queued:
            life.due = not life.pausing
        return {life.id for life in queued}

    def queues(self) -> list[str]:
        """Those that jobs are in."""
        return sorted({life.queue for life in self.jobs.values()})

    def next_of(self, queue: str) -> Life | None:
        """The job that a claim gets."""
        ready = [
            life
            for life in self.jobs.values()
            if life.queue == queue and life.state == "queued" and not (life.pausing or life.held)
        ]
        return min(ready, key=lambda life: life.turn, default=None) if queue not in self.paused else None

    def held_with(self, token: str) -> Life | None:
        """The job that a claim with this token got, while it runs."""
        held = [life for life in self.jobs.values() if life.state == "running" and life.token == token]
        return held[0] if held else None

    def claim(self, life: Life, token: str) -> None:
        life.go("running")
        life.token = token
        life.epoch += 1
        life.attempt += 1
        life.asked, life.reported = False, 0

    def answer_again(self, life: Life, epoch: int) -> str | None:
        """The answer to a result that is sent again; None when the job has gone on without it."""
        if life.finished != epoch:
            return None
        return life.state if life.ended else "queued"

    def finish(self, life: Life, state: str, reason: str | None) -> None:
        life.finished = life.epoch
        again = state == "failed" and reason in life.retry_on and life.attempt < life.max_attempts
        if again and life.asked:
            life.go("cancelled", "cancel_requested")
        elif again:
            self.enter(life, reason, pausing=True)
        else:
            life.go(state, reason)

    def release(self, life: Life) -> None:
        life.epoch += 1
        life.attempt -= 1
        if life.asked:
            life.go("cancelled", "cancel_requested")
        else:
            self.enter(life, "released")

    def expire(self) -> set[str]:
        late = [life for life in self.jobs.values() if life.late]
        for life in late:
            life.epoch += 1
            if life.asked:
                life.go("cancelled", "cancel_requested")
            elif "worker_lost" in life.retry_on and life.attempt < life.max_attempts:
                # The first loss was waited for already, by a whole lease.
                self.enter(life, "worker_lost", pausing=life.attempt > 1)
            else:
                life.go("failed", "worker_lost")
        return {life.id for life in late}

    def end_overdue(self) -> set[str]:
        late = {life.id for life in self.jobs.values() if life.overdue}
        for job in late:
            self.jobs[job].go("failed", "timed_out")
        return late

    def cancel(self, life: Life) -> None:
        if life.state in {"waiting", "queued"}:
            life.go("cancelled", "cancel_requested")
        elif life.state == "running" and not life.asked:
            life.asked = True
            life.history.append(("state", "running"))
