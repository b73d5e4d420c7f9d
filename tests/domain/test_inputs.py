"""Inputs: what a parameter of type `path` may name of another job."""

import pytest

from tiltyard.wire import Parameter, ParameterType, ProblemItem
from tiltyard_orchestrator.domain.inputs import Input, placed, read_inputs

MODEL = Parameter(name="model", type=ParameterType.path)


def test_a_path_may_name_another_jobs_artifact() -> None:
    assert read_inputs([MODEL], {"model": "artifact:abc123/models/net.npz"}) == [
        Input(parameter="model", job="abc123", path="models/net.npz")
    ]


def test_the_command_gets_the_place_where_the_worker_puts_it() -> None:
    inputs = [Input(parameter="model", job="abc123", path="models/net.npz")]
    values = placed({"model": "artifact:abc123/models/net.npz", "eps": 0.1}, inputs)
    assert values == {"model": ".tiltyard/inputs/model/net.npz", "eps": 0.1}


@pytest.mark.parametrize("value", ["data/x.npz", "artifacts:a/b", "", "/artifact:a/b"])
def test_any_other_path_is_left_alone(value: str) -> None:
    assert read_inputs([MODEL], {"model": value}) == []


def test_text_that_is_no_path_is_left_alone() -> None:
    text = Parameter(name="model", type=ParameterType.string)
    assert read_inputs([text], {"model": "artifact:abc/x"}) == []


@pytest.mark.parametrize(
    "value", ["artifact:", "artifact:abc", "artifact:abc/", "artifact:/x", "artifact:a b/x", "artifact:abc/../x",
              "artifact:abc//x", "artifact:abc/./x", "artifact:abc/" + "x" * 1025],
)  # fmt: skip
def test_what_cannot_be_an_artifact_is_told(value: str) -> None:
    [problem] = read_inputs([MODEL], {"model": value})
    assert isinstance(problem, ProblemItem)
    assert (problem.pointer, problem.code) == ("/parameters/model", "bad_input")
