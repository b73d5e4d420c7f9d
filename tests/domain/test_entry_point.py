"""An MLproject is read as MLflow reads it, and everything wrong with it is told with a pointer."""

import textwrap

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.wire.archives import ParameterType
from tiltyard_orchestrator.domain.entry_point import Project, read_project


def read(text):
    return read_project(yaml.safe_load(textwrap.dedent(text)))


def project(text):
    outcome = read(text)
    assert isinstance(outcome, Project), outcome
    return outcome


def problems(text):
    outcome = read(text)
    assert isinstance(outcome, list), outcome
    return {(problem.pointer.removeprefix("/MLproject"), problem.code): problem.detail for problem in outcome}


def declared(line):
    return (
        project(f"entry_points: {{main: {{command: run, parameters: {{x: {line}}}}}}}")
        .entry_points[0]
        .parameters[0]
    )


def refused(line):
    outcome = problems(f"entry_points: {{main: {{command: run, parameters: {{x: {line}}}}}}}")
    [((at, code), detail)] = outcome.items()
    return at.removeprefix("/entry_points/main/parameters/x"), code, detail


def test_the_long_and_the_short_form_of_mlflow_are_read():
    read = project("""
        name: elastic net
        python_env: python_env.yaml
        entry_points:
          main:
            parameters:
              data_file: path
              alpha: {type: float, default: 0.5}
              l1_ratio: {default: 1e-1}
              epochs:
                type: float
                default: 32
            command: "python train.py -r {alpha} {data_file} {l1_ratio} {epochs}"
          validate:
            parameters: {data_file: path}
            command: "python validate.py {data_file}"
          bare: {command: ./run}
    """)
    assert read.name == "elastic net"
    assert [one.name for one in read.entry_points] == ["main", "validate", "bare"]
    main = {parameter.name: parameter for parameter in read.entry_points[0].parameters}
    assert main["data_file"].type is ParameterType.path
    assert main["data_file"].required
    assert (main["alpha"].default, main["alpha"].required) == (0.5, False)
    assert main["l1_ratio"].default == "1e-1"  # YAML 1.1 reads it as text, and no type means string
    assert repr(main["epochs"].default) == "32"
    assert [one.outputs for one in read.entry_points] == ["outputs"] * 3


@pytest.mark.parametrize(
    ("line", "default"),
    [
        ("{type: str, default: mnist}", "mnist"), ("{type: int, default: 32}", 32), ("{type: bool, default: true}", True),
        ("{type: float, default: 1e-1}", 0.1), ("{type: float, default: .0}", 0.0), ("{type: string, default: 9}", "9"),
        ("{type: string, default: false}", "False"), ("{type: string, default: 2020-01-01}", "2020-01-01"),
        ("{type: string, default: ''}", ""), ("{type: uri, default: 's3://b'}", "s3://b"), ("{type: boolean, default: 'no'}", False),
        ("{type: integer, default: '7'}", 7), ("{type: choice, choices: [l1, l2], default: l2}", "l2"),
        ("{type: choice, choices: [1, 2, .inf], default: .inf}", "inf"), ("{type: choice, choices: [1, 2, .inf], default: inf}", "inf"),
        ("{type: list, items: float, default: [0.1, 1]}", [0.1, 1]), ("{type: list, default: 'a,b'}", ["a", "b"]),
    ],
)  # fmt: skip
def test_defaults_as_projects_in_the_wild_write_them_are_read(line, default):
    parameter = declared(line)
    assert (parameter.default, type(parameter.default)) == (default, type(default))
    assert not parameter.required


def test_a_default_of_nothing_is_no_default_as_in_mlflow():
    assert declared("{type: float, default: null}").required


def test_help_and_the_outputs_folder_are_read():
    assert declared("{type: float, help: how far}").help == "how far"
    assert declared("{type: float, description: how far}").help == "how far"
    assert project("entry_points: {main: {command: run, outputs: ./out/}}").entry_points[0].outputs == "out"


@pytest.mark.parametrize(
    ("line", "at", "code"),
    [
        ("{type: flaot}", "/type", "unknown_type"), ("{type: [float]}", "/type", "unknown_type"), ("epochs", "/type", "unknown_type"),
        ("{type: float, default: abc}", "/default", "mistyped_default"), ("{type: float, default: .inf}", "/default", "mistyped_default"),
        ("{type: integer, default: 1.5}", "/default", "mistyped_default"), ("{type: float, default: {a: 1}}", "/default", "mistyped_default"),
        ("{type: choice, choices: [a], default: b}", "/default", "mistyped_default"), ("{type: choice}", "/choices", "malformed_mlproject"),
        ("{type: choice, choices: []}", "/choices", "malformed_mlproject"), ("{type: choice, choices: [[a]]}", "/choices", "malformed_mlproject"),
        ("{type: list, items: list}", "/items", "unknown_type"), ("{type: list, items: integer, default: [1, a]}", "/default", "mistyped_default"),
        ("{type: float, defualt: 3}", "/defualt", "unknown_key"), ("null", "", "malformed_mlproject"), ("[float]", "", "malformed_mlproject"),
        ('{default: "a\\0b"}', "/default", "mistyped_default"), ('{default: "\\ud800"}', "/default", "mistyped_default"),
    ],
)  # fmt: skip
def test_a_malformed_parameter_is_told_where_it_stands(line, at, code):
    assert refused(line)[:2] == (at, code)


def test_a_misspelt_type_gets_a_suggestion():
    assert "did you mean 'float'?" in refused("{type: flaot}")[2]


@pytest.mark.parametrize("name", ["a.b", "0x", "a b", "'a{'", "-x"])
def test_a_parameter_name_is_one_that_a_placeholder_can_hold(name):
    assert list(
        problems(f"entry_points: {{main: {{command: run, parameters: {{{name}: float}}}}}}").values()
    ) == ["a parameter's name is letters, digits, _ and -, a letter or _ first"]


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "42", "entry_points:", "entry_points: []", "entry_points: {}", "name: x"]
)
def test_a_file_without_entry_points_is_malformed(text):
    [(at, code)] = problems(text)
    assert code in {"malformed_mlproject", "no_entry_points"}
    assert at in {"", "/entry_points"}


def test_every_problem_of_a_file_is_told_at_once():
    assert set(
        problems("""
        nmae: x
        entry_points:
          main:
            command: "python a.py {eps} {nrom}"
            parameters: {eps: flaot, norm: string}
          empty: {}
          on: {command: a}
          text: python x.py
          a/b: {comand: run}
          up: {command: run, outputs: ../up}
          away: {command: run, outputs: /tmp}
          here: {command: run, outputs: .}
          list: {command: [python, x.py]}
    """)
    ) == {
        ("/nmae", "unknown_key"),
        ("/entry_points", "malformed_mlproject"),
        ("/entry_points/main/parameters/eps/type", "unknown_type"),
        ("/entry_points/main/command", "undeclared_parameter"),
        ("/entry_points/empty/command", "malformed_mlproject"),
        ("/entry_points/text", "malformed_mlproject"),
        ("/entry_points/a~1b/comand", "unknown_key"),
        ("/entry_points/a~1b/command", "malformed_mlproject"),
        ("/entry_points/up/outputs", "malformed_mlproject"),
        ("/entry_points/away/outputs", "malformed_mlproject"),
        ("/entry_points/here/outputs", "malformed_mlproject"),
        ("/entry_points/list/command", "malformed_mlproject"),
    }


def test_a_placeholder_that_nobody_declared_gets_a_suggestion():
    [detail] = problems("entry_points: {main: {command: 'run {nrom}', parameters: {norm: string}}}").values()
    assert detail == "the command uses {nrom}, which is not among its parameters (did you mean 'norm'?)"


@pytest.mark.parametrize(
    "command",
    [
        "run {}",
        "run {0}",
        "run {x.y}",
        "run {x!r}",
        "run {x:.2f}",
        "run {x",
        "run x}",
        "run '{\"a\": 1}'",
        "awk '{print $1}'",
    ],
)
def test_braces_that_are_no_placeholder_are_refused_with_how_to_write_them(command):
    outcome = read_project({"entry_points": {"main": {"command": command, "parameters": {"x": "float"}}}})
    assert [(problem.code, problem.pointer) for problem in outcome] == [
        ("unsafe_command", "/MLproject/entry_points/main/command")
    ]
    assert "{{ and }}" in outcome[0].detail


def test_what_does_not_apply_here_is_told_as_a_warning():
    read = project("{docker_env: {image: x}, other_tool: {}, entry_points: {main: {command: run}}}")
    assert [warning.split()[0] for warning in read.warnings] == ["docker_env"]


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["entry_points", "main", "command", "parameters", "type", "default", "choices", "items", "outputs", "name", 1, None])
        | st.text(max_size=4),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.builds(
        lambda entry, parameter, rest: {
            "entry_points": {"main": entry if rest else {"command": "x", "parameters": {"p": parameter}}}
        },
        YAML,
        YAML,
        st.booleans(),
    )
    | YAML
)
@settings(max_examples=500, deadline=None)
def test_whatever_yaml_holds_the_answer_is_a_project_or_problems(document):
    outcome = read_project(document)
    assert isinstance(outcome, Project) or (
        outcome and all(one.pointer.startswith("/MLproject") for one in outcome)
    )
