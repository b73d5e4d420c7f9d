"""What a job makes of how those stand that it waits for."""

import pytest

from tiltyard.wire.jobs import Condition, Dependency, JobState
from tiltyard_orchestrator.domain.dependencies import dead_end, satisfied


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (Condition.succeeded, {JobState.succeeded}),
        (Condition.failed, {JobState.failed}),
        (Condition.any, {JobState.succeeded, JobState.failed, JobState.cancelled}),
    ],
)
def test_a_condition_is_met_by_some_ends_and_by_no_other_state(
    condition: Condition, met: set[JobState]
) -> None:
    assert {state for state in JobState if satisfied(condition, state)} == met
    undecided = {state for state in JobState if satisfied(condition, state) is None}
    assert undecided == {state for state in JobState if not state.final}


def test_a_condition_that_can_not_come_true_is_named() -> None:
    after = [Dependency(job="a"), Dependency(job="b", condition=Condition.failed)]
    assert dead_end(after, {"a": JobState.running, "b": JobState.queued}) is None
    said = dead_end(after, {"a": JobState.running, "b": JobState.succeeded})
    assert said == "It was to run when job b had failed, and that one is succeeded."


def test_a_job_that_is_gone_is_waited_for_by_nobody() -> None:
    assert "not there any more" in str(dead_end([Dependency(job="a")], {}))
