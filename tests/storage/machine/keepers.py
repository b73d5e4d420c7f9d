"""What keepers do, and what time does, which passes here only as a step: the test moves the moment that was written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from tests.storage.machine.callers import FOREVER
from tests.storage.machine.lives import Draw, Lives, one_of
from tests.storage.machine.promise import Life
from tests.storage.machine.workers import BACKOFF
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.overdue import end_overdue
from tiltyard_orchestrator.storage.jobs.settle import decided, settle

HOURS_SECONDS = 1500
"""Two and a half steps of priority: between two jobs it never makes a tie."""


@dataclass(frozen=True, kw_only=True)
class Passing:
    """Time that passes for one job."""

    fits: Callable[[Life], bool]
    """Whether there is something for which it may pass."""
    moments: str
    """What it changes, as SQL."""
    then: Callable[[Life], dict[str, Any]]
    """What it changes, as the promise has it."""


PASSINGS = {
    "its lease runs out": Passing(
        fits=lambda life: life.state == "running" and not life.late,
        moments="lease_until = now() - interval '1 second'",
        then=lambda _: {"late": True},
    ),
    "it is time to ring again": Passing(
        fits=lambda life: life.state == "queued" and not life.due and not life.pausing,
        moments="dispatch_at = now()",
        then=lambda _: {"due": True},
    ),
    "its pause is over": Passing(
        fits=lambda life: life.pausing,
        moments="ready_at = now(), dispatch_at = now()",
        then=lambda _: {"due": True, "pausing": False},
    ),
    "it queues for long": Passing(
        fits=lambda life: life.state == "queued",
        moments="turn_at = turn_at - interval '1500 seconds'",
        then=lambda life: {"aged": life.aged + HOURS_SECONDS},
    ),
    "it queues for too long": Passing(
        fits=lambda life: (
            life.state == "queued" and life.hurried and not (life.pausing or life.held or life.overdue)
        ),
        moments="queued_until = now() - interval '1 second'",
        then=lambda _: {"overdue": True},
    ),
    "its start time comes": Passing(
        fits=lambda life: life.state == "waiting" and life.early,
        moments="start_at = now() - interval '1 second'",
        then=lambda _: {"early": False},
    ),
}


class Keepers(Lives):
    """Keepers, and the clock."""

    verbs: Sequence[str] = ("settle", "end_overdue", "expire", "dispatch")

    def look(self, draw: Draw) -> None:
        """What every keeper does every few seconds, whether there is something of each to do or not."""
        for verb in draw(st.permutations(self.verbs)):
            getattr(self, f"_{verb}")()

    def _settle(self) -> None:
        over = self.yard.call(decided)
        assert set(over) == self.promise.decided()
        self._moved(
            "settle", self.yard.call(settle, ended=over), self.promise.settle_those_that_wait_for(set(over))
        )
        self._moved("settle", self.yard.call(settle), self.promise.settle_those_that_wait_for_none())

    def _end_overdue(self) -> None:
        self._moved("end", self.yard.call(end_overdue), self.promise.end_overdue())

    def _expire(self) -> None:
        self._moved("expire", self.yard.call(expire, backoff=BACKOFF), self.promise.expire())

    def _dispatch(self) -> None:
        due = {one.job: one.queue for one in self.yard.call(dispatch, resend_seconds=FOREVER)}
        self._moved("dispatch", list(due), self.promise.dispatch())
        assert due == {job: self.life(job).queue for job in due}

    def _moved(self, verb: str, moved: list[str], promised: set[str]) -> None:
        note(f"a keeper is to {verb} {[self.life(job).name for job in moved]}")
        assert sorted(moved) == sorted(promised)
        self.touch(*moved)

    def settle_quickly(self, draw: Draw) -> None:
        """What a keeper does for a job that it has just seen end."""
        life = self.some_job(draw)
        if life is not None and life.ended:
            moved = self.yard.call(settle, ended=[life.id])
            self._moved("settle", moved, self.promise.settle_those_that_wait_for({life.id}))

    def time_passes(self, draw: Draw) -> None:
        lives = self.promise.jobs.values()
        may = [what for what, passing in PASSINGS.items() if any(map(passing.fits, lives))]
        if not may:
            return
        what = draw(st.sampled_from(may))
        life = one_of([life for life in lives if PASSINGS[what].fits(life)], draw)
        note(f"of {life.name}: {what}")
        self.touch(life.id)
        self.yard.run(f"UPDATE job SET {PASSINGS[what].moments} WHERE id = $1", life.id)
        for name, value in PASSINGS[what].then(life).items():
            setattr(life, name, value)
