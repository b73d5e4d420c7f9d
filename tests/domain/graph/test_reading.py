import pytest

from tiltyard.wire.archives import ParameterType
from tiltyard.wire.plugins import Kind
from tiltyard_orchestrator.domain.graph import Graph, read_graph
from tiltyard_orchestrator.domain.graph.references import Reference


def read(text: str) -> Graph:
    graph = read_graph(text)
    assert not graph.problems, graph.problems
    return graph


def told(text: str) -> list[tuple[int | None, int | None, str]]:
    return [(one.line, one.column, one.code) for one in read_graph(text).problems]


@pytest.mark.parametrize(
    ("written", "args", "kwargs"),
    [
        ("fgm: [$model, 5]", ["$model", 5], {}),
        ("fgm: {eps: 0.1}", [], {"eps": 0.1}),
        ("fgm: $model", ["$model"], {}),
        ("fgm:", [], {}),
        ("fgm: []", [], {}),
        ("{task: fgm, args: [1], kwargs: {eps: 2}}", [1], {"eps": 2}),
        ("{task: fgm, args: 1}", [1], {}),
        ("{task: fgm}", [], {}),
    ],
)
def test_arguments_are_positional_named_or_both(written: str, args: list, kwargs: dict) -> None:
    step = read(f"graph:\n  s:\n    {written}\n").steps["s"]
    assert (step.task, step.args, step.kwargs) == ("fgm", args, kwargs)


def test_a_step_has_its_options_beside_its_task() -> None:
    text = """
    graph:
      s:
        fgm: {eps: $item}
        dependencies: before
        retries: 2
        timeout: 1m30s
        foreach: $epsilons
        when: $accuracy >= 0.9
    """
    step = read(text).steps["s"]
    assert (step.dependencies, step.retries, step.timeout) == (["before"], 2, 90.0)
    assert step.foreach == Reference(name="epsilons")
    assert str(step.when) == "$accuracy >= 0.9"
    assert {str(found) for _, found in step.references()} == {"$epsilons", "$accuracy"}


def test_parameters_are_declared_as_in_an_mlproject_or_as_in_dioptra() -> None:
    graph = read(
        """
        parameters:
          eps: {type: float, default: "0.1"}
          norm: {type: choice, choices: [l1, l2], default: l2}
          steps: integer
          scale: 3
          names: [a, b]
          size: {type: number}
          mixed: [1, a]
          split: {type: {mapping: [string, any]}, default: {train: 0.8}}
        graph: {s: {t: }}
        """
    )
    found = {one.name: (one.type, one.default) for one in graph.parameters}
    assert found == {
        "eps": (ParameterType.float, 0.1),
        "norm": (ParameterType.choice, "l2"),
        "steps": (ParameterType.integer, None),
        "scale": (ParameterType.integer, 3),
        "names": (ParameterType.list, ["a", "b"]),
        "size": (ParameterType.float, None),
        "mixed": (ParameterType.string, '[1, "a"]'),
        "split": (ParameterType.string, '{"train": 0.8}'),
    }
    assert {name: kind.kind for name, kind in graph.structured.items()} == {
        "mixed": Kind.any,
        "split": Kind.mapping,
    }


def test_dioptras_own_keys_are_read_as_they_are() -> None:
    graph = read(
        """
        types:
          message: null
          pair: {tuple: [message, number]}
          maybe: {union: [string, "null"]}
          rows: {list: pair}
          line: {is_a: string}
        parameters: {name: {type: string, default: World}}
        artifact_inputs:
          greeting: {value: line}
          both: [{a: rows}, {b: maybe}]
        tasks:
          hello: {plugin: hello_world.tasks.hello, inputs: [{name: line}, {name: b, type: pair, required: false}], outputs: {greeting: message}}
        graph:
          hello_step: {hello: {name: $name}}
        artifact_outputs:
          output: {contents: $hello_step.greeting, task: {name: StringArtifactTask, args: {type: txt}}}
        """
    )
    assert [one.type.kind for one in graph.inputs["both"].outputs] == [Kind.list, Kind.union]
    assert graph.inputs["greeting"].outputs[0].type.kind is Kind.string
    described = graph.definitions["hello"]
    assert described.path == "hello_world.tasks.hello"
    assert [(one.name, one.required) for one in described.inputs or ()] == [("name", True), ("b", False)]
    assert [one.type.name for one in described.outputs or ()] == ["message"]
    assert (graph.outputs[0].task, graph.outputs[0].options) == ("StringArtifactTask", {"type": "txt"})
    assert [one.name for one in graph.declared] == ["name", "greeting", "both"]
    assert graph.needs == ["hello_world"]


def test_graph_and_artifact_outputs_have_other_names() -> None:
    graph = read("steps: {s: {t: [1]}}\nartifacts: {a: $s}\n")
    assert list(graph.steps) == ["s"]
    assert graph.outputs[0].contents == "$s"


def test_a_graph_needs_the_plugins_that_it_lists_and_those_that_its_tasks_are_in() -> None:
    graph = read(
        "plugins: [mine==1.2]\ngraph:\n  a: {other.module.task: }\n  b: {mine.x.y: }\n  c: {short: }\n"
    )
    assert graph.needs == ["mine==1.2", "other", "tiltyard_plugins"]


def test_everything_that_is_wrong_with_the_form_is_told_at_once_in_the_order_of_the_text() -> None:
    text = """\
plugins: [Mine!]
parametres: {}
parameters:
  eps: {type: flaot}
  s.t: 1
graph:
  a:
    fgm: [1]
    retires: 2
  b:
    task: fgm
    kwarg: {}
    retries: -1
  c:
    fgm: {}
    timeout: never
    foreach: 5
    when: accuracy > 5
  d:
  e: {dependencies: [a]}
  f: {fgm: [1], pgd: [2]}
artifact_outputs:
  ../x: $a
  y: {task: json}
"""
    assert told(text) == [
        (1, 11, "malformed_graph"),
        (2, 1, "unknown_key"),
        (4, 15, "unknown_type"),
        (5, 8, "malformed_graph"),
        (9, 5, "unknown_key"),
        (12, 5, "unknown_key"),
        (13, 14, "bad_retries"),
        (16, 14, "bad_timeout"),
        (17, 14, "bad_foreach"),
        (18, 11, "bad_when"),
        (19, 5, "malformed_graph"),
        (20, 3, "malformed_graph"),
        (21, 17, "unknown_key"),
        (23, 3, "malformed_graph"),
        (24, 6, "malformed_graph"),
    ]


def test_a_name_means_one_thing() -> None:
    text = "parameters: {a: 1, item: 2}\nartifact_inputs: {b: array}\ngraph:\n  a: {t: }\n  b: {t: [$item], foreach: [1]}\n"
    assert told(text) == [(1, 20, "name_taken"), (4, 3, "name_taken"), (5, 3, "name_taken")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "graph",
        "- graph",
        "graph: [",
        "graph: {a: {t: [1]}, a: {t: [2]}}",
        "graph: !!python/object:os.system {}",
        "graph: {s: {t: !!int x}}",
        "? [a]\n: b",
        "graph: " + "[" * 50 + "]" * 50,
        "graph: {s: {t: &a [*a]}}",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 4)}]\n" for n in range(9)),
        "x: " + "y" * 70_000,
        "graph: {s: {t: \x00}}",
    ],
)
def test_what_is_no_graph_is_one_problem_with_its_place_and_no_crash(text: str) -> None:
    assert {one.code for one in read_graph(text).problems} == {"malformed_graph"}


def test_dates_stay_text_and_infinity_stays_a_number() -> None:
    step = read("graph: {s: {t: [2026-01-31, .inf]}}").steps["s"]
    assert step.args == ["2026-01-31", float("inf")]


@pytest.mark.parametrize(
    "use",
    [
        "parameters: {p: {type: t0}}",
        "artifact_inputs: {p: t0}",
        "tasks: {p: {plugin: a.b, outputs: {x: t0}}}",
    ],
)
@pytest.mark.parametrize(
    "types",
    [
        "".join(f"  t{n}: {{tuple: [t{n + 1}, t{n + 1}, t{n + 1}]}}\n" for n in range(40)),
        "  t0: {union: [t0, t0, t0, t0, t0]}\n",
        "  t0: {tuple: [t1, t1, t1, t1]}\n  t1: {mapping: [t0, t0]}\n",
    ],
)
def test_types_that_multiply_are_not_all_made(types: str, use: str) -> None:
    [problem] = [
        one
        for one in read_graph(f"types:\n{types}{use}\ngraph: {{s: {{t: 1}}}}\n").problems
        if "types" in one.pointer
    ]
    assert (problem.code, problem.line) == ("malformed_graph", 1)
    assert "make too much" in problem.detail


@pytest.mark.parametrize(
    "text",
    ["plugins: [{}]", "graph: {{s: {{t: {}}}}}", "tasks: {{p: {{plugin: {}}}}}"],
)
def test_a_number_of_many_digits_is_one_problem_with_its_place(text: str) -> None:
    [problem] = read_graph(text.format(f"0x{'F' * 20_000}")).problems
    assert (problem.code, problem.line) == ("malformed_graph", 1)
    assert "digits" in problem.detail or "not readable" in problem.detail
