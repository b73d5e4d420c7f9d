"""Entry points that are graphs, and the plugins that entry points name."""

import pytest

from tiltyard.wire import Archive, JobSubmission
from tiltyard_orchestrator.domain.entry_point import Project, read_project
from tiltyard_orchestrator.domain.graph_entry import graph_paths
from tiltyard_orchestrator.domain.submission import Accepted, check

GRAPH = b"parameters:\n  eps: {type: float, default: 0.1}\n  norms: {type: list, default: [l1]}\ngraph:\n  s: {digits: {}}\n"


def read(entry: dict[str, object], texts: dict[str, bytes] | None = None, **top: object) -> object:
    document = {"entry_points": {"main": entry}, **top}
    return read_project(document, {"a.yaml": GRAPH} if texts is None else texts)


def test_a_graph_declares_its_parameters_and_the_mlproject_goes_before() -> None:
    project = read(
        {"graph": "./a.yaml", "parameters": {"eps": {"type": "float", "default": 0.5}, "more": "string"}}
    )
    assert isinstance(project, Project)
    [entry] = project.entry_points
    assert {one.name: one.default for one in entry.parameters} == {"eps": 0.5, "more": None, "norms": ["l1"]}
    assert entry.graph is not None
    assert (entry.graph.path, entry.graph.text) == ("a.yaml", GRAPH.decode())


def test_a_graphs_command_gives_each_value_as_one_argument() -> None:
    project = read({"graph": "a b{.yaml"}, {"a b{.yaml": GRAPH})
    assert isinstance(project, Project)
    archive = Archive(
        sha256="a" * 64, size=1, format="tar", files=1, entry_points=project.entry_points,
        created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    asked = JobSubmission(experiment="x", archive="a" * 64, parameters={"norms": ["l 1", "l2"]})
    accepted = check(asked, archive, ["cpu"])
    assert isinstance(accepted, Accepted)
    assert accepted.command == (
        "python -m tiltyard_workers.runner --entry-point=main 'a b{.yaml' eps='0.1' norms='[\"l 1\", \"l2\"]'"
    )


@pytest.mark.parametrize(
    ("entry", "texts", "code"),
    [
        ({"graph": "a.yaml", "command": "true"}, None, "malformed_mlproject"),
        ({"graph": "../a.yaml"}, None, "malformed_mlproject"),
        ({"graph": ["a.yaml"]}, None, "malformed_mlproject"),
        ({"graph": "b.yaml"}, None, "missing_graph"),
        ({"graph": "a.yaml"}, {"a.yaml": b"#" * 70_000}, "graph_too_large"),
        ({"graph": "a.yaml"}, {"a.yaml": b"\xff\xfe"}, "malformed_graph"),
        ({"graph": "a.yaml"}, {"a.yaml": b"graph: {a: [\n"}, "malformed_graph"),
        ({"command": "true", "plugins": "mine"}, None, "malformed_mlproject"),
        ({"command": "true", "plugins": ["mine>=2"]}, None, "malformed_plugin"),
    ],
)
def test_what_is_wrong_with_it_is_told(
    entry: dict[str, object], texts: dict[str, bytes] | None, code: str
) -> None:
    problems = read(entry, texts)
    assert isinstance(problems, list)
    assert [one.code for one in problems] == [code]


def test_an_entry_point_has_the_projects_plugins_beside_its_own() -> None:
    project = read({"command": "true", "plugins": ["mine==2"]}, plugins=["yours", "mine==1"])
    assert isinstance(project, Project)
    assert project.entry_points[0].plugins == ["mine==2", "yours"]


def test_the_files_to_read_are_those_below_the_project() -> None:
    entries = {"a": {"graph": "x/../y"}, "b": {"graph": "./g.yaml"}, "c": {"graph": "/g"}, "d": 1, "e": {}}
    assert graph_paths({"entry_points": entries}) == {"g.yaml"}
    assert graph_paths({"entry_points": []}) == graph_paths([]) == set()
