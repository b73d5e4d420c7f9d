"""The life of a job as a table: which call may move it, from which states, and to which.

Storage writes no state of its own: every statement takes its predicate and its outcome from here, and the tests of the
protocol explore this very table. What is not here cannot happen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tiltyard.wire.jobs import FINAL_STATES, Failure, JobState, Reason

CANCEL_REQUESTED = "A caller asked for it to end."


class Call(StrEnum):
    """Who moves a job: the verbs of the protocol."""

    submit = "submit"
    settle = "settle"
    overdue = "overdue"
    cancel = "cancel"
    claim = "claim"
    finish = "finish"
    release = "release"
    expire = "expire"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """From where a call may move a job, and where it may end up."""

    sources: frozenset[JobState]
    targets: frozenset[JobState]
    new_epoch: bool
    """Whether the call fences off whoever held the job before."""


_S = JobState
RULES: Mapping[Call, Rule] = MappingProxyType(
    {
        Call.submit: Rule(sources=frozenset(), targets=frozenset({_S.waiting, _S.queued}), new_epoch=False),
        # What a job waited for has come, or can not come any more.
        Call.settle: Rule(
            sources=frozenset({_S.waiting}), targets=frozenset({_S.queued, _S.cancelled}), new_epoch=False
        ),
        Call.overdue: Rule(sources=frozenset({_S.queued}), targets=frozenset({_S.failed}), new_epoch=False),
        Call.cancel: Rule(
            sources=frozenset({_S.waiting, _S.queued}), targets=frozenset({_S.cancelled}), new_epoch=False
        ),
        Call.claim: Rule(sources=frozenset({_S.queued}), targets=frozenset({_S.running}), new_epoch=True),
        Call.finish: Rule(
            sources=frozenset({_S.running}), targets=FINAL_STATES | {_S.queued}, new_epoch=False
        ),
        Call.release: Rule(
            sources=frozenset({_S.running}), targets=frozenset({_S.queued, _S.cancelled}), new_epoch=True
        ),
        Call.expire: Rule(
            sources=frozenset({_S.running}),
            targets=frozenset({_S.queued, _S.failed, _S.cancelled}),
            new_epoch=True,
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where a job goes next, and why."""

    state: JobState
    reason: Reason | None = None
    message: str | None = None


CANCELLED = Outcome(state=_S.cancelled, reason=Reason.cancel_requested, message=CANCEL_REQUESTED)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What decides whether a running job gets another attempt."""

    attempt: int
    max_attempts: int
    retry_on: Collection[Failure]
    cancel_requested: bool

    def retries(self, reason: Reason | None) -> bool:
        """Whether another attempt follows one that failed so."""
        return reason is not None and reason.value in self.retry_on and self.attempt < self.max_attempts


def after_finish(reported: Outcome, standing: Standing) -> Outcome:
    """Decide what a reported result does to the job.

    Raises:
        ValueError: the reported state is not final.
    """
    if reported.state not in FINAL_STATES:
        raise ValueError(f"an attempt ends in a final state, not {reported.state}")
    if reported.state is not _S.failed or not standing.retries(reported.reason):
        return reported
    if standing.cancel_requested:
        return CANCELLED
    return Outcome(
        state=_S.queued,
        reason=reported.reason,
        message=f"{reported.message or 'It failed.'} Attempt {standing.attempt} of {standing.max_attempts} failed so, "
        "and the next one is queued.",
    )


def after_expiry(standing: Standing, *, worker: str | None) -> Outcome:
    """Decide what becomes of a job whose lease ran out."""
    if standing.cancel_requested:
        return CANCELLED
    lost = f"Worker {worker or 'unknown'} was not heard of for longer than its lease"
    attempts = f"{standing.attempt} of {standing.max_attempts}"
    if standing.retries(Reason.worker_lost):
        return Outcome(
            state=_S.queued,
            reason=Reason.worker_lost,
            message=f"{lost}; attempt {attempts} is given up and the next one is queued.",
        )
    spent = standing.attempt >= standing.max_attempts
    rest = f"{attempts} attempts are used up" if spent else "it is not to be tried again after that"
    return Outcome(state=_S.failed, reason=Reason.worker_lost, message=f"{lost}, and {rest}.")


def after_release(*, cancel_requested: bool) -> Outcome:
    """Decide what becomes of a job that its worker handed back."""
    if cancel_requested:
        return CANCELLED
    return Outcome(
        state=_S.queued, reason=Reason.released, message="Its worker was stopped and handed the job back."
    )


def after_waiting(*, dead: str | None) -> Outcome:
    """Decide what becomes of a job that waits no longer.

    Args:
        dead: what can not come true any more, as a sentence; None where everything has.
    """
    if dead is not None:
        return Outcome(state=_S.cancelled, reason=Reason.dependency, message=dead)
    return Outcome(state=_S.queued)


def after_overdue(*, seconds: float) -> Outcome:
    """Decide what becomes of a job that nobody took in time."""
    return Outcome(
        state=_S.failed,
        reason=Reason.timed_out,
        message=f"No worker took it within its queue time-out of {seconds:g} s.",
    )
