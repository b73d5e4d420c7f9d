from pathlib import Path

import pytest

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.plugins import Task, TaskOutput
from tiltyard_workers.runner.functions import NotLoaded, WrongOutputs, function_of, outputs_of
from tiltyard_workers.runner.given import read_words, surroundings_of, values_of

LIST = Parameter(name="tags", type=ParameterType.list)
TEXT = Parameter(name="text")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["text=a=b"], {"text": "a=b"}),
        (["tags=a", "b", "c=d", "text=x"], {"tags": ["a", "b", "c=d"], "text": "x"}),
        (["tags=[1, 2]"], {"tags": "[1, 2]"}),
        (["tags="], {"tags": []}),
        (["text=--outputs"], {"text": "--outputs"}),
        ([], {}),
    ],
)
def test_values_are_read_as_a_command_puts_them(words: list[str], values: dict) -> None:
    assert values_of(words, [LIST, TEXT]) == values


def test_a_word_that_is_no_value_is_told() -> None:
    with pytest.raises(ValueError, match="write name=value"):
        values_of(["eps"], [TEXT])


def test_options_stand_before_the_graph_alone() -> None:
    words = read_words(["--outputs", "there", "--entry-point=main", "graph.yaml", "text=--x", "--y"])
    assert (words.outputs, words.entry_point, words.graph) == (Path("there"), "main", Path("graph.yaml"))
    assert list(words.values) == ["text=--x", "--y"]


def test_what_the_mlproject_declares_for_a_graph_counts(tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    graph = tmp_path / "graphs/a.yaml"
    graph.write_text("graph: {}")
    (tmp_path / "MLproject").write_text(
        "entry_points:\n"
        "  other: {command: 'true'}\n"
        "  main: {graph: graphs/a.yaml, parameters: {eps: {type: float, default: 1}}, outputs: there}\n"
        "  twin: {graph: graphs/a.yaml, parameters: {n: integer}}\n"
    )
    found = surroundings_of(graph, None)
    assert ([one.name for one in found.parameters], found.outputs) == (["eps"], "there")
    assert [one.name for one in surroundings_of(graph, "twin").parameters] == ["n"]
    assert surroundings_of(graph, "other").outputs == "outputs"


def task(*outputs: str, module: str = "os.path", function: str = "join") -> Task:
    return Task(
        plugin="x",
        version="1",
        name="t",
        module=module,
        function=function,
        outputs=[TaskOutput(name=one) for one in outputs],
    )


def test_results_are_taken_apart_by_order_or_by_name() -> None:
    assert outputs_of(task(), 5) == {}
    assert outputs_of(task("a"), (1, 2)) == {"a": (1, 2)}
    assert outputs_of(task("a", "b"), (1, 2)) == {"a": 1, "b": 2}
    assert outputs_of(task("a", "b"), iter([1, 2])) == {"a": 1, "b": 2}
    assert outputs_of(task("a", "b"), {"b": 2, "a": 1, "more": 3}) == {"a": 1, "b": 2}


@pytest.mark.parametrize("result", [None, 5, "ab", (1,), (1, 2, 3), {"a": 1}])
def test_results_that_are_not_what_the_task_says_are_refused(result: object) -> None:
    with pytest.raises(WrongOutputs, match="'t' returned"):
        outputs_of(task("a", "b"), result)


@pytest.mark.parametrize(
    ("module", "function"),
    [("no_such_module", "f"), ("os.path", "no_such"), ("os", "sep"), ("antigravity_", "f")],
)
def test_a_function_that_cannot_be_had_is_told_with_its_path(module: str, function: str) -> None:
    with pytest.raises(NotLoaded, match=f"{module}.{function}"):
        function_of(task(module=module, function=function))
