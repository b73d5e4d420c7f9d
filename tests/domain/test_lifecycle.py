"""The life of a job, as its table says it."""

import pytest

from tiltyard.wire.jobs import FINAL_STATES, JobState, Reason
from tiltyard_orchestrator.domain.lifecycle import (
    RULES,
    Call,
    Outcome,
    after_expiry,
    after_finish,
    after_release,
)

FAILED_START = Outcome(state=JobState.failed, reason=Reason.start_failed)


def test_no_call_moves_a_final_job() -> None:
    assert not any(rule.sources & FINAL_STATES for rule in RULES.values())


def test_a_final_state_is_reachable_from_every_other() -> None:
    reaches = set(FINAL_STATES)
    for _ in JobState:
        reaches |= {source for rule in RULES.values() if rule.targets & reaches for source in rule.sources}
    assert reaches == set(JobState)


def test_every_call_that_takes_a_running_job_away_fences_its_holder() -> None:
    takers = {
        call for call, rule in RULES.items() if JobState.running in rule.sources and call is not Call.finish
    }
    assert takers == {call for call, rule in RULES.items() if rule.new_epoch} - {Call.claim}


def test_an_attempt_can_not_end_in_a_state_that_is_no_end() -> None:
    with pytest.raises(ValueError, match="final state"):
        after_finish(Outcome(state=JobState.running), attempt=1, max_attempts=3)


@pytest.mark.parametrize(
    ("attempt", "state"), [(1, JobState.queued), (2, JobState.queued), (3, JobState.failed)]
)
def test_a_failed_start_is_tried_again_up_to_the_last_attempt(attempt: int, state: JobState) -> None:
    assert after_finish(FAILED_START, attempt=attempt, max_attempts=3).state is state


@pytest.mark.parametrize("reason", [Reason.exit_code, Reason.signal, Reason.timed_out, Reason.out_of_memory])
def test_the_users_own_failure_is_not_tried_again(reason: Reason) -> None:
    failed = Outcome(state=JobState.failed, reason=reason)
    assert after_finish(failed, attempt=1, max_attempts=3) == failed


def test_a_lost_worker_costs_an_attempt_and_the_last_one_ends_the_job() -> None:
    assert (
        after_expiry(attempt=1, max_attempts=2, cancel_requested=False, worker="w").state is JobState.queued
    )
    last = after_expiry(attempt=2, max_attempts=2, cancel_requested=False, worker="w")
    assert (last.state, last.reason) == (JobState.failed, Reason.worker_lost)


def test_whoever_asked_for_the_end_gets_it_also_from_a_lost_or_stopped_worker() -> None:
    lost = after_expiry(attempt=1, max_attempts=3, cancel_requested=True, worker=None)
    assert lost == after_release(cancel_requested=True)
    assert lost.state is JobState.cancelled


def test_a_job_that_was_handed_back_is_queued_again() -> None:
    assert after_release(cancel_requested=False).state is JobState.queued
