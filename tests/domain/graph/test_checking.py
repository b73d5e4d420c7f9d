import pytest

from tests.domain.graph.tasks import CATALOGUE
from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import catalogue, check_graph, plan, read_graph, suggestions


def problems_of(text: str, parameters: list[Parameter] | None = None) -> list[ProblemItem]:
    graph = read_graph(text)
    assert not graph.problems, graph.problems
    return check_graph(graph, CATALOGUE, parameters)


def codes(text: str) -> list[str]:
    return [one.code for one in problems_of(text)]


GOOD = """
plugins: [mine]
parameters: {eps: 0.1, name: {type: string, default: digits}, epsilons: [0.1, 0.2]}
graph:
  data: {load: {name: $name}}
  model: {train: [$data.x, $data.y]}
  attack: {fgm: {model: $model, x: $data.x, eps: $item}, foreach: $epsilons}
  one: {task: fgm, args: [$model], kwargs: {x: [[0, 1], [1, 0]], norm: l2}}
  score: {accuracy: {model: $model, x: $one, y: $data.y}, when: $eps > 0}
  all: {gather: {values: {deep: [[$attack, {more: $score}]], text: $$5}}}
  last: {own: , dependencies: [all]}
artifact_outputs:
  attack: {contents: $attack, task: waveform}
  score: $score
"""


def test_a_graph_that_fits_has_no_problem_and_a_plan() -> None:
    assert problems_of(GOOD) == []
    graph = read_graph(GOOD)
    planned = plan(graph, CATALOGUE)
    assert [one.step.name for one in planned.steps] == list(graph.steps)
    assert {one.step.name: set(one.after) for one in planned.steps}["all"] == {"attack", "score"}
    assert [(one.output.name, set(one.after)) for one in planned.artifacts] == [
        ("attack", {"attack"}),
        ("score", {"score"}),
    ]


EVERYTHING = """\
plugins: [mine]
parameters:
  eps: {type: float, default: 0.1}
  name: string
graph:
  a: {laod: {name: $name}}
  b: {twin: }
  data: {load: {name: $nam, sed: 5}}
  model: {train: [$data.x, $data.z, 5]}
  c: {fgm: [$model]}
  d: {task: fgm, args: [$model, $data], kwargs: {model: $eps, eps: $name, norm: l3}}
  e: {accuracy: {model: $f, x: text, y: [1, 2]}, retries: 3}
  f: {say: $e, foreach: $eps}
  g: {say: $f.text, dependencies: [nobody], when: $eps >= high}
  h: {say: $item, when: $i}
  i: {say: $h}
artifact_outputs:
  out: {contents: $q, task: arrray}
"""


def test_every_kind_of_mistake_is_told_at_once_with_its_place_and_what_would_fit() -> None:
    found = problems_of(EVERYTHING)
    assert [(one.line, one.code) for one in found] == [
        (6, "unknown_task"),
        (7, "ambiguous_task"),
        (8, "unknown_reference"),
        (8, "surplus_argument"),
        (9, "unknown_output"),
        (9, "surplus_argument"),
        (10, "missing_argument"),
        (11, "output_needed"),
        (11, "doubled_argument"),
        (11, "mistyped_argument"),
        (11, "mistyped_argument"),
        (12, "cycle"),
        (12, "no_output"),
        (12, "mistyped_argument"),
        (13, "mistyped_argument"),
        (13, "bad_foreach"),
        (14, "unknown_output"),
        (14, "unknown_step"),
        (14, "bad_when"),
        (15, "cycle"),
        (15, "unknown_reference"),
        (15, "no_output"),
        (16, "no_output"),
        (18, "unknown_reference"),
        (18, "unknown_artifact_type"),
    ]
    said = {one.pointer: one.detail for one in found}
    assert said["/graph/a/laod"] == "there is no task 'laod' (did you mean 'load'?)"
    assert "mine.a.twin or mine.b.twin" in said["/graph/b/twin"]
    assert said["/graph/c/fgm"] == (
        "'fgm' needs 'x': an array (float32 (n, d), 0 to 1) (such as $data.x, $data.y, $d)"
    )
    assert said["/graph/d/args/1"] == "$data has 2 outputs: write one of $data.x, $data.y"
    assert "e → f → e" in said["/graph/e"]
    assert all(one.line and one.column for one in found)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ("{name: digits, seed: 5}", None),
        ("{name: digits, seed: 5.0}", None),
        ("{name: digits, seed: 5.5}", "mistyped_argument"),
        ("{name: digits, seed: true}", "mistyped_argument"),
        ("{name: digits, seed: '5'}", "mistyped_argument"),
        ("{name: 5}", "mistyped_argument"),
        ("{name: [digits]}", "mistyped_argument"),
        ("{name: $number}", "mistyped_argument"),
        ("{name: $word, seed: $whole}", None),
        ("{name: $word, seed: $number}", "mistyped_argument"),
        ("{name: $place}", None),
        ("{name: $one_of}", None),
        ("{name: $anything}", None),
        ("{name: digits, seed: null}", None),
    ],
)
def test_refused_is_only_what_can_never_fit(arguments: str, wrong: str | None) -> None:
    text = f"""
    parameters:
      number: 0.5
      whole: 3
      word: {{type: string}}
      place: {{type: path}}
      one_of: {{type: choice, choices: [digits, wine]}}
      anything: {{type: any}}
    graph: {{s: {{load: {arguments}}}}}
    """
    assert codes(text) == ([] if wrong is None else [wrong])


@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        ("{name: table, args: {format: parquet}}", None),
        ("{name: table, args: {index: false, sep: ;}}", None),
        ("{name: table, args: {format: excel}}",
         ("format", "mistyped_option", 'is one of "csv", "parquet", and "excel" is text (such as $kind)')),
        ("{name: table, args: {format: $kind}}", None),
        ("{name: table, args: {format: $whole}}",
         ("format", "mistyped_option", 'is one of "csv", "parquet", and $whole is a whole number (such as $kind)')),
        ("{name: table, args: {folder: elsewhere}}",
         ("folder", "unknown_option", 'has no option \'folder\': it takes "format"')),
        ("{name: json, args: {indent: 4}}", None),
        ("{name: json, args: {indent: null}}", None),
        ("{name: json, args: {indent: wide}}",
         ("indent", "mistyped_option", 'is a whole number or nothing (null), and "wide" is text (such as $whole)')),
        ("{name: json, args: {index: 4}}",
         ("index", "unknown_option", "'json' has no option 'index' (did you mean 'indent'?)")),
        ("{name: text, args: {suffix: md}}", None),
        ("{name: figure, args: {dpi: 72}}", None),
        ("{name: figure, args: {dpi: [72]}}",
         ("dpi", "mistyped_option", "the option 'dpi' of 'figure' is a number, and [72] is a tuple of a whole number")),
        ("{name: array, args: {format: npz}}",
         ("format", "unknown_option", "'array' has no option 'format': it takes none")),
        ("{name: waveform, args: {rate: fast}}", None),
        ("{name: json, args: {indent: $nobody}}", ("indent", "unknown_reference", "")),
    ],
)  # fmt: skip
def test_the_options_of_an_artifact_are_checked_before_anything_runs(
    task: str, wrong: tuple[str, str, str] | None
) -> None:
    text = f"""
    plugins: [mine]
    parameters: {{whole: 3, kind: {{type: choice, choices: [csv, parquet]}}}}
    graph: {{s: {{load: x}}}}
    artifact_outputs:
      kept:
        contents: $s.x
        task: {task}
    """
    found = [(one.pointer, one.code, one.detail) for one in problems_of(text)]
    assert [(pointer, code) for pointer, code, _ in found] == (
        [] if wrong is None else [(f"/artifact_outputs/kept/task/args/{wrong[0]}", wrong[1])]
    )
    assert all(wrong is not None and wrong[2] in detail for _, _, detail in found), found
    assert all(one.line == 8 and one.column for one in problems_of(text))


def test_a_plugin_that_has_an_artifact_type_of_our_name_takes_what_it_likes() -> None:
    text = "graph: {s: {load: x}}\nartifact_outputs: {kept: {contents: $s.x, task: {name: array, args: {as: tiff}}}}"
    own = catalogue.Catalogue([], {"mine": {"array"}})
    told = [one.code for one in check_graph(read_graph(text), own)]
    assert "unknown_option" not in told
    assert codes(text) == ["unknown_option"]


@pytest.mark.parametrize(
    ("step", "wrong"),
    [
        ("fit: $data", False),
        ("fit: $loaded.x", True),
        ("fit: [[$loaded.x, $loaded.y]]", False),
        ("accuracy: {model: $data, x: $loaded.x, y: $loaded.y}", True),
        ("train: [$data, $loaded.y]", True),
        ("many: {numbers: $data}", True),
        ("many: {parts: $data}", False),
        ("many: {pair: $data}", True),
        ("many: {by_name: $data}", True),
    ],
)
def test_a_data_set_is_no_array_and_its_parts_are_no_numbers(step: str, wrong: bool) -> None:
    text = f"graph:\n  data: {{data: }}\n  loaded: {{load: x}}\n  step:\n    {step}\n"
    assert codes(text) == ["mistyped_argument"] * wrong


def test_what_is_too_many_by_position_is_told_what_goes_by_position_and_what_by_name() -> None:
    [problem] = problems_of("graph:\n  a: {say: [x, y]}\n")
    assert problem.detail == "positional argument 2 of 'say' is too many: it takes at most 1: \"text\""
    [problem] = problems_of("graph:\n  a: {named: [5]}\n")
    assert problem.detail == (
        "positional argument 1 of 'named' is too many: it takes none; by name alone \"seed\""
    )


@pytest.mark.parametrize(
    ("when", "wrong"),
    [
        ("$number > 0", False),
        ("$number == high", True),
        ("$word == high", False),
        ("$word > 5", True),
        ("not $word", False),
        ("$number == null", False),
        ("$data.x > 5", False),
        ("$model > 5", True),
    ],
)
def test_a_condition_that_never_holds_is_told(when: str, wrong: bool) -> None:
    text = f"""
    parameters: {{number: 0.5, word: {{type: string}}}}
    graph:
      data: {{load: [digits]}}
      model: {{train: [$data.x, $data.y]}}
      s: {{say: hello, when: {when!r}}}
    """
    assert codes(text) == (["bad_when"] if wrong else [])


def test_a_parameter_of_the_entry_point_is_as_good_as_one_of_the_graph() -> None:
    text = "graph: {s: {say: $words}}"
    assert codes(text) == ["unknown_reference"]
    assert problems_of(text, [Parameter(name="words", type=ParameterType.string)]) == []


def test_a_task_of_another_plugin_is_pointed_to() -> None:
    [problem] = problems_of("graph: {s: {own: }}")
    assert "add 'mine' to its `plugins`, or write mine.all.own" in problem.detail


def test_an_artifact_input_gives_what_it_says() -> None:
    text = "artifact_inputs: {held: {data: array}}\ngraph: {s: {train: [$held, $held.data]}, t: {say: $held}}"
    assert codes(text) == ["mistyped_argument"]


def test_a_step_that_refers_to_itself_is_a_circle() -> None:
    [problem] = [one for one in problems_of("graph: {s: {gather: $s}}") if one.code == "cycle"]
    assert "s → s" in problem.detail


def test_the_graphs_own_description_of_a_task_names_its_results() -> None:
    text = """
    tasks: {pull: {plugin: tiltyard_plugins.all.read, inputs: [{name: string}], outputs: [{a: number}, {b: string}]}}
    graph: {s: {pull: [x]}, t: {say: $s.b}, u: {say: $s.a}, v: {say: $s.data}}
    """
    assert codes(text) == ["mistyped_argument", "unknown_output"]


@pytest.mark.parametrize(
    "line", ["s{0}: {{t.evasion.fgm{0}: [1]}}", "s{0}: {{own: , when: $nope{0}x}}", "s{0}: {{nothing{0}: 1}}",
             "s{0}: {{own: , dependencies: [no{0}]}}", "s{0}: {{fgm: {{}}}}"],
)  # fmt: skip
def test_what_was_meant_is_looked_for_in_the_first_mistakes_alone(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(suggestions, "did_you_mean", lambda name, _known: looked.append(name) or "")
    monkeypatch.setattr(catalogue, "did_you_mean", lambda name, _known: looked.append(name) or "")
    text = "graph:\n" + "".join(f"  {line.format(number)}\n" for number in range(300))
    found = check_graph(read_graph(text), CATALOGUE)
    assert len(found) >= 300, "and every mistake is told"
    assert len(looked) <= suggestions.MOST
