"""What the failures that a job's steps and flows told make of its result."""

import pytest

from tiltyard.wire import JobState, Reason
from tiltyard_workers.fences.process import Ended
from tiltyard_workers.supervisor.result import CANCELLED, Result, judge, timed_out
from tiltyard_workers.supervisor.steps import Steps

SUCCEEDED = Result(state=JobState.succeeded)


def told(*failures: tuple[str, str, str]) -> Steps:
    steps = Steps()
    for kind, name, message in failures:
        steps.told(kind, {"name": name, "status": "failed", "message": message})
    return steps


def test_what_told_no_failure_changes_nothing() -> None:
    steps = Steps()
    for status in ("started", "retried", "finished", "skipped"):
        steps.told("step", {"name": "train", "status": status, "message": "not yet"})
    assert steps.judge(SUCCEEDED) is SUCCEEDED


def test_the_first_step_that_failed_is_named_before_its_flow() -> None:
    result = told(
        ("flow", "main", "1/2 states failed"), ("step", "a", "no data"), ("step", "b", "later")
    ).judge(SUCCEEDED)
    assert (result.state, result.reason) == (JobState.failed, Reason.step_failed)
    assert result.message == "The step 'a' failed: no data."


def test_a_step_that_said_nothing_of_why_is_still_a_sentence() -> None:
    steps = Steps()
    steps.told("step", {"name": "a", "status": "failed"})
    assert steps.judge(SUCCEEDED).message == "The step 'a' failed: nothing was said of why."


def test_an_exit_code_stays_what_it_is_and_the_step_is_named() -> None:
    result = told(("step", "a", "no data")).judge(judge(Ended(exit_code=1)))
    assert (result.reason, result.exit_code) == (Reason.exit_code, 1)
    assert result.message == "The entry point exited with code 1: the step 'a' failed: no data."


@pytest.mark.parametrize("result", [CANCELLED, timed_out(1), judge(Ended(signal=9), out_of_memory=True)])
def test_what_ended_a_job_from_outside_is_not_a_step_s_fault(result: Result) -> None:
    assert told(("step", "a", "it was broken off")).judge(result) is result


def test_what_failed_in_a_flow_that_is_run_again_is_forgotten_and_nothing_else_is() -> None:
    steps = Steps()
    failed = {"status": "failed", "message": "no data"}
    steps.told("step", {"name": "a", "flows": ["below", "main"], **failed})
    steps.told("flow", {"name": "below", "flows": ["below", "main"], **failed})
    steps.told("flow", {"name": "main", "status": "retried", "flows": ["main"]})
    assert steps.judge(SUCCEEDED) is SUCCEEDED
    steps.told("step", {"name": "b", "flows": ["another"], **failed})
    steps.told("step", {"name": "c", **failed})
    steps.told("flow", {"name": "another", "status": "retried", "flows": ["another"]})
    assert steps.judge(SUCCEEDED).message == "The step 'c' failed: no data."


def test_a_flow_that_began_and_told_no_end_fails_its_job_and_says_where_it_was() -> None:
    steps = Steps()
    steps.told("flow", {"name": "main", "status": "started", "flows": ["1"]})
    for name in ("load", "train", "load"):
        steps.told("step", {"name": name, "status": "started"})
    steps.told("step", {"name": "load", "status": "finished"})
    said = (
        "the flow 'main' did not come to its end: its process ended inside the step 'train', the step 'load'."
    )
    result = steps.judge(SUCCEEDED)
    assert (result.state, result.reason) == (JobState.failed, Reason.step_failed)
    assert result.message == f"T{said[1:]}"
    assert steps.judge(judge(Ended(exit_code=3))).message == f"The entry point exited with code 3: {said}"


@pytest.mark.parametrize("how", ["finished", "failed"])
def test_a_flow_that_told_its_end_was_not_broken_off(how: str) -> None:
    steps = Steps()
    for run in ("main", "below"):
        steps.told("flow", {"name": run, "status": "started", "flows": [run]})
    steps.told("flow", {"name": "below", "status": how, "flows": ["below", "main"]})
    steps.told("flow", {"name": "main", "status": "retried", "flows": ["main"]})
    steps.told("flow", {"name": "main", "status": "finished", "flows": ["main"]})
    assert steps.judge(SUCCEEDED) is SUCCEEDED
