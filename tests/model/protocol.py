"""What the database does in each call, over a job that is reduced to what decides its fate.

Nothing is decided here: the table of moves and every decision are the product's own. What this module adds is what the
storage adds, which row a call may touch and which columns it writes, and two columns that only the properties read.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from tiltyard.wire.jobs import RETRIED_BY_DEFAULT, Condition, Dependency, JobState, Reason
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.domain.dependencies import dead_end, satisfied
from tiltyard_orchestrator.domain.lifecycle import (
    CANCELLED,
    RULES,
    Call,
    Outcome,
    Rule,
    Standing,
    after_expiry,
    after_finish,
    after_overdue,
    after_release,
    after_waiting,
)


class Lease(StrEnum):
    """How the lease of a job stands by the database's clock."""

    none = "none"
    held = "held"
    over = "over"


class Bell(StrEnum):
    """When a job is rung for by the database's clock."""

    none = "none"
    pausing = "pausing"
    """It pauses before its next attempt, and can not be claimed."""
    due = "due"
    rung = "rung"
    """Not before the next re-send."""


class Job(NamedTuple):
    """The row of a job."""

    state: JobState | None = None
    """None before it is submitted."""
    epoch: int = 0
    attempt: int = 0
    cancel_requested: bool = False
    lease: Lease = Lease.none
    bell: Bell = Bell.none
    finished_epoch: int = 0
    """0 where no finish is recorded."""
    ends: int = 0
    """For the properties: how many final events its history has."""
    asked: bool = False
    """For the properties: whether its end was asked for while it was running."""


class IllegalMove(Exception):
    """The table of moves knows no such move."""


class Protocol:
    """The calls, each from a row to a row. A call that does not apply gives the row as it was."""

    rules: Mapping[Call, Rule] = RULES
    max_attempts = 2
    condition: Condition | None = None
    """How the first job must have ended for the second one to start, if that one waits."""

    results: Mapping[str, Outcome] = {
        "success": Outcome(state=JobState.succeeded),
        "a failed start": Outcome(state=JobState.failed, reason=Reason.start_failed),
        "a user's failure": Outcome(state=JobState.failed, reason=Reason.exit_code),
        "the end that was asked for": Outcome(state=JobState.cancelled, reason=Reason.cancel_requested),
    }
    """What an attempt may come to: one end of each kind that the decisions tell apart."""

    @cached_property
    def after(self) -> list[Dependency]:
        """What the second job waits for."""
        return [] if self.condition is None else [Dependency(job="first", condition=self.condition)]

    def holds(self, job: Job, epoch: int) -> bool:
        """Whether a call of this epoch finds its row."""
        return job.state in self.rules[Call.finish].sources and job.epoch == epoch

    def claimable(self, job: Job) -> bool:
        return job.state in self.rules[Call.claim].sources and job.bell is not Bell.pausing

    def late(self, job: Job) -> bool:
        """Whether the keeper finds that its lease ran out."""
        return job.state is JobState.running and job.lease is Lease.over

    def standing(self, job: Job) -> Standing:
        return Standing(
            attempt=job.attempt,
            max_attempts=self.max_attempts,
            retry_on=RETRIED_BY_DEFAULT,
            cancel_requested=job.cancel_requested,
        )

    def submit(self, *, waits: bool) -> Job:
        if waits:
            return Job(state=JobState.waiting)
        return Job(state=JobState.queued, bell=Bell.due)

    def over(self, first: Job) -> bool:
        """Whether the second job waits no longer: what it waited for has come, or can not come any more."""
        return first.state is not None and all(
            satisfied(one.condition, first.state) is not None for one in self.after
        )

    def dead(self, first: Job) -> str | None:
        assert first.state is not None
        return dead_end(self.after, {"first": first.state})

    def settle(self, job: Job, first: Job) -> Job:
        return self._move(job, Call.settle, after_waiting(dead=self.dead(first)))

    def rings_again(self, job: Job) -> bool:
        """Whether the time until the next re-send passes for it."""
        return job.bell is Bell.rung

    def claim(self, job: Job) -> Job:
        moved = self._move(job, Call.claim, Outcome(state=JobState.running))
        return moved._replace(attempt=job.attempt + 1, cancel_requested=False, lease=Lease.held)

    def report(self, job: Job, epoch: int) -> Job:
        return job._replace(lease=Lease.held) if self.holds(job, epoch) else job

    def finish(self, job: Job, epoch: int, result: str) -> Job:
        if not self.holds(job, epoch):
            return job
        outcome = after_finish(self.results[result], self.standing(job))
        return self._move(job, Call.finish, outcome)._replace(finished_epoch=epoch)

    def release(self, job: Job, epoch: int) -> Job:
        if not self.holds(job, epoch):
            return job
        outcome = after_release(cancel_requested=self.standing(job).cancel_requested)
        return self._move(job, Call.release, outcome)._replace(attempt=job.attempt - 1)

    def expire(self, job: Job) -> Job:
        return self._move(job, Call.expire, after_expiry(self.standing(job), worker=None))

    def overdue(self, job: Job) -> Job:
        return self._move(job, Call.overdue, after_overdue(seconds=1))

    def cancel(self, job: Job) -> Job:
        if job.state in self.rules[Call.cancel].sources:
            return self._move(job, Call.cancel, CANCELLED)
        if job.state is JobState.running:
            return job._replace(cancel_requested=True, asked=True)
        return job

    def _move(self, job: Job, call: Call, outcome: Outcome) -> Job:
        rule = self.rules[call]
        if job.state not in rule.sources or outcome.state not in rule.targets:
            raise IllegalMove(f"{call} does not move a job from {job.state} to {outcome.state}")
        bell = Bell.none
        if outcome.state is JobState.queued:
            pauses = Backoff().seconds(outcome.reason, attempt=job.attempt) > 0
            bell = Bell.pausing if pauses else Bell.due
        return job._replace(
            state=outcome.state,
            epoch=job.epoch + rule.new_epoch,
            lease=Lease.none,
            bell=bell,
            ends=job.ends + outcome.state.final,
        )
