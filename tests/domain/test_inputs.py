"""Inputs: what a parameter of type `path` may name of another job, or of the registry of models."""

import pytest

from tiltyard.wire import Parameter, ParameterType, ProblemItem
from tiltyard_orchestrator.domain.inputs import (
    FoundModel,
    Input,
    ModelInput,
    model_problems,
    placed,
    read_inputs,
)

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


def test_a_slash_at_the_end_asks_for_a_folder() -> None:
    [folder] = read_inputs([MODEL], {"model": "artifact:abc123/models/net/"})
    assert folder == Input(parameter="model", job="abc123", path="models/net", folder=True)
    assert placed({}, [folder]) == {"model": ".tiltyard/inputs/model/net"}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("model:digits/3", ModelInput(parameter="model", model="digits", version="3")),
        ("model:digits@champion", ModelInput(parameter="model", model="digits", alias="champion")),
        ("model:a model@home@best", ModelInput(parameter="model", model="a model@home", alias="best")),
    ],
)
def test_a_path_may_name_a_version_of_a_model_by_number_or_alias(value: str, named: ModelInput) -> None:
    assert read_inputs([MODEL], {"model": value}) == [named]
    assert named.reference == value


@pytest.mark.parametrize(
    "value", ["model:", "model:digits", "model:digits/", "model:digits/0", "model:digits/one", "model:digits@",
              "model:a/b/1", "model:a:b/1", "model:digits@a b", "model:@best"],
)  # fmt: skip
def test_what_cannot_be_a_model_is_told(value: str) -> None:
    [problem] = read_inputs([MODEL], {"model": value})
    assert isinstance(problem, ProblemItem)
    assert (problem.pointer, problem.code) == ("/parameters/model", "bad_input")


def test_what_mlflow_itself_would_load_is_left_to_the_script() -> None:
    assert read_inputs([MODEL], {"model": "models:/digits@champion"}) == []


@pytest.mark.parametrize(("file", "place"), [(None, "model"), ("net.npz", "model/net.npz")])
def test_the_command_gets_a_models_folder_or_its_only_file(file: str | None, place: str) -> None:
    named = ModelInput(parameter="model", model="digits", alias="champion")
    found = FoundModel(model="digits", version="3", sha256="0" * 64, size=1, file=file)
    assert placed({}, [named], {named.reference: found}) == {"model": f".tiltyard/inputs/model/{place}"}


def test_a_problem_with_a_model_is_told_at_each_parameter_that_names_it() -> None:
    named = [ModelInput(parameter=name, model="digits", version="3") for name in ("a", "b")]
    problem = ProblemItem(pointer="", code="unknown_model", detail="there is none")
    told = model_problems(named, {"model:digits/3": problem})
    assert [item.pointer for item in told] == ["/parameters/a", "/parameters/b"]
    assert [item.code for item in model_problems(named[:1], {})] == ["unknown_model"]
