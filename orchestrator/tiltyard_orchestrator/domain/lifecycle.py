"""The life of a job as a table: which call may move it, from which states, and to which.

Storage writes no state of its own: every statement takes its predicate and its outcome from here, and the tests of the
protocol explore this very table. What is not here cannot happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tiltyard.wire.jobs import FINAL_STATES, JobState, Reason

CANCEL_REQUESTED = "A caller asked for it to end."


class Call(StrEnum):
    """Who moves a job: the verbs of the protocol."""

    submit = "submit"
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


RETRIED_REASONS = frozenset({Reason.start_failed})
"""Failures that are the testbed's more than the user's: another attempt follows while there is one left."""


def after_finish(reported: Outcome, *, attempt: int, max_attempts: int) -> Outcome:
    """Decide what a reported result does to the job.

    Raises:
        ValueError: the reported state is not final.
    """
    if reported.state not in FINAL_STATES:
        raise ValueError(f"an attempt ends in a final state, not {reported.state}")
    if reported.state is _S.failed and reported.reason in RETRIED_REASONS and attempt < max_attempts:
        return Outcome(state=_S.queued, reason=reported.reason, message=reported.message)
    return reported


def after_expiry(*, attempt: int, max_attempts: int, cancel_requested: bool, worker: str | None) -> Outcome:
    """Decide what becomes of a job whose lease ran out."""
    if cancel_requested:
        return Outcome(state=_S.cancelled, reason=Reason.cancel_requested, message=CANCEL_REQUESTED)
    lost = f"Worker {worker or 'unknown'} was not heard of for longer than its lease"
    if attempt < max_attempts:
        return Outcome(
            state=_S.queued,
            reason=Reason.worker_lost,
            message=f"{lost}; attempt {attempt} of {max_attempts} is given up and the next one is queued.",
        )
    return Outcome(
        state=_S.failed,
        reason=Reason.worker_lost,
        message=f"{lost}, and {attempt} of {max_attempts} attempts are used up.",
    )


def after_release(*, cancel_requested: bool) -> Outcome:
    """Decide what becomes of a job that its worker handed back."""
    if cancel_requested:
        return Outcome(state=_S.cancelled, reason=Reason.cancel_requested, message=CANCEL_REQUESTED)
    return Outcome(
        state=_S.queued, reason=Reason.released, message="Its worker was stopped and handed the job back."
    )
