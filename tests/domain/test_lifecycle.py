"""The life of a job, as its table says it."""

import pytest

from tiltyard.wire.jobs import FINAL_STATES, RETRIED_BY_DEFAULT, Failure, JobState, Reason
from tiltyard_orchestrator.domain.lifecycle import (
    RULES,
    Call,
    Outcome,
    Standing,
    after_expiry,
    after_finish,
    after_overdue,
    after_release,
    after_waiting,
)

FAILED_START = Outcome(state=JobState.failed, reason=Reason.start_failed)


def standing(
    attempt: int = 1,
    max_attempts: int = 3,
    retry_on: tuple[Failure, ...] = RETRIED_BY_DEFAULT,
    *,
    cancel_requested: bool = False,
) -> Standing:
    return Standing(
        attempt=attempt, max_attempts=max_attempts, retry_on=retry_on, cancel_requested=cancel_requested
    )


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


def test_every_failure_has_its_reason() -> None:
    assert {failure.value for failure in Failure} < {reason.value for reason in Reason}


def test_an_attempt_can_not_end_in_a_state_that_is_no_end() -> None:
    with pytest.raises(ValueError, match="final state"):
        after_finish(Outcome(state=JobState.running), standing())


@pytest.mark.parametrize(
    ("attempt", "state"), [(1, JobState.queued), (2, JobState.queued), (3, JobState.failed)]
)
def test_a_failed_start_is_tried_again_up_to_the_last_attempt(attempt: int, state: JobState) -> None:
    assert after_finish(FAILED_START, standing(attempt)).state is state


@pytest.mark.parametrize(
    "reason",
    [Reason.exit_code, Reason.signal, Reason.timed_out, Reason.out_of_memory, Reason.over_limit],
)
def test_the_users_own_failure_is_tried_again_only_when_asked_for(reason: Reason) -> None:
    failed = Outcome(state=JobState.failed, reason=reason, message="It broke.")
    assert after_finish(failed, standing()) == failed
    again = after_finish(failed, standing(retry_on=(Failure(reason.value),)))
    assert (again.state, again.reason) == (JobState.queued, reason)


def test_a_success_is_never_tried_again() -> None:
    succeeded = Outcome(state=JobState.succeeded)
    assert after_finish(succeeded, standing(retry_on=tuple(Failure))) == succeeded


def test_a_lost_worker_costs_an_attempt_and_the_last_one_ends_the_job() -> None:
    assert after_expiry(standing(1, 2), worker="w").state is JobState.queued
    last = after_expiry(standing(2, 2), worker="w")
    assert (last.state, last.reason) == (JobState.failed, Reason.worker_lost)
    assert "2 of 2 attempts" in str(last.message)


def test_a_job_that_is_not_to_start_twice_fails_with_its_worker() -> None:
    lost = after_expiry(standing(retry_on=()), worker="w")
    assert (lost.state, lost.reason) == (JobState.failed, Reason.worker_lost)


def test_whoever_asked_for_the_end_gets_it_also_where_another_attempt_was_due() -> None:
    asked = standing(cancel_requested=True)
    ends = [
        after_expiry(asked, worker=None),
        after_release(cancel_requested=True),
        after_finish(FAILED_START, asked),
    ]
    assert {(end.state, end.reason) for end in ends} == {(JobState.cancelled, Reason.cancel_requested)}


def test_a_result_that_came_before_the_asked_for_end_is_kept() -> None:
    succeeded = Outcome(state=JobState.succeeded)
    assert after_finish(succeeded, standing(cancel_requested=True)) == succeeded


def test_a_job_that_was_handed_back_is_queued_again() -> None:
    assert after_release(cancel_requested=False).state is JobState.queued


def test_a_job_waits_no_longer_when_all_has_come_or_one_thing_can_not_come() -> None:
    assert after_waiting(dead=None).state is JobState.queued
    dead = after_waiting(dead="It was to run later.")
    assert (dead.state, dead.reason) == (JobState.cancelled, Reason.dependency)


def test_a_job_that_nobody_took_in_time_has_timed_out() -> None:
    overdue = after_overdue(seconds=90)
    assert (overdue.state, overdue.reason) == (JobState.failed, Reason.timed_out)
    assert "90 s" in str(overdue.message)
