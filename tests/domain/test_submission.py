"""A submission is checked as a whole: what would run, or every problem in one answer."""

import datetime as dt

import pytest

from tiltyard.wire import Archive, JobSubmission
from tiltyard_orchestrator.domain.entry_point import Project, read_project
from tiltyard_orchestrator.domain.submission import Accepted, check

DIGEST = "a" * 64


@pytest.fixture
def archive():
    project = read_project(
        {
            "entry_points": {
                "main": {
                    "command": "python attack.py --eps {eps} --norm '{norm}'",
                    "parameters": {"eps": "float", "norm": {"default": "inf"}},
                },
                "train": {"command": "python train.py"},
            }
        }
    )
    assert isinstance(project, Project)
    now = dt.datetime.now(dt.UTC)
    return Archive(
        sha256=DIGEST, size=1, format="tar", files=1, entry_points=project.entry_points, created_at=now
    )


def submission(**changes):
    return JobSubmission(**{"experiment": "e", "archive": DIGEST, "parameters": {"eps": "0.1"}, **changes})


def test_a_right_submission_tells_what_would_run(archive):
    accepted = check(submission(timeout="1h30m"), archive, {"cpu"})
    assert isinstance(accepted, Accepted)
    assert accepted.entry_point.name == "main"
    assert accepted.values == {"eps": 0.1, "norm": "inf"}
    assert accepted.command == "python attack.py --eps 0.1 --norm 'inf'"
    assert accepted.timeout == 5400


def test_every_problem_comes_in_one_answer(archive):
    outcome = check(
        submission(parameters={"esp": 1, "norm": 2}, timeout="soon", queue="cpuu"),
        archive,
        {"cpu", "pytorch"},
    )
    assert {(problem.pointer, problem.code) for problem in outcome} == {
        ("/parameters/eps", "missing_parameter"),
        ("/parameters/norm", "mistyped_parameter"),
        ("/parameters/esp", "unknown_parameter"),
        ("/timeout", "bad_timeout"),
        ("/queue", "unknown_queue"),
    }
    [queue] = [problem.detail for problem in outcome if problem.pointer == "/queue"]
    assert queue == """there is no queue "cpuu" (did you mean 'cpu'?); known are "cpu", "pytorch\""""


def test_an_unknown_entry_point_is_told_with_those_that_are_there(archive):
    [problem] = check(submission(entry_point="tarin"), archive, {"cpu"})
    assert (problem.pointer, problem.code) == ("/entry_point", "unknown_entry_point")
    assert (
        problem.detail
        == """the archive has no entry point "tarin" (did you mean 'train'?); it has "main", "train\""""
    )


def test_an_unknown_archive_hides_no_other_problem():
    outcome = check(submission(timeout="0s"), None, set())
    assert [problem.pointer for problem in outcome] == ["/archive", "/timeout", "/queue"]


def test_a_command_that_no_kernel_would_start_is_refused_when_it_is_submitted(archive):
    [problem] = check(submission(parameters={"eps": 1, "norm": "x" * 131_072}), archive, {"cpu"})
    assert (problem.pointer, problem.code) == ("/parameters", "command_too_long")


def test_every_input_that_names_nothing_is_told(archive):
    project = read_project(
        {"entry_points": {"main": {"command": "cat {a} {b}", "parameters": {"a": "path", "b": "path"}}}}
    )
    assert isinstance(project, Project)
    taking = archive.model_copy(update={"entry_points": project.entry_points})
    outcome = check(submission(parameters={"a": "artifact:x", "b": "artifact:"}), taking, {"cpu"})
    assert [(problem.pointer, problem.code) for problem in outcome] == [
        ("/parameters/a", "bad_input"),
        ("/parameters/b", "bad_input"),
    ]
