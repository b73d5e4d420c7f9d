"""A graph that is wrong in every way: all is told in one answer, each mistake once, and none for another's sake."""

import pytest

from tests.domain.graph.tasks import CATALOGUE, TASKS
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import Catalogue, check_graph, read_graph

WRONG_IN_FORM = """\
plugins: [mine, mien==2, Bad!]
parametres:
  eps: {type: float, default: much}
  kind: {type: flaot}
  name: string
  name: string
artifact_inputs:
  held: 5
grpah:
  data: {load: {name: $name, seed: $eps}}
  more: {load: {nam: 5}, retires: 5}
  a: {laod: {name: $kind}}
  b: {other.x.y: [$nobody]}
  c: {other.x.z: {q: $nobody.x}}
  d: {fgm: {model: $e, x: $held}, retries: -1, timeout: never, when: eps > 5}
  e:
  f: {fgm: [$model], pgd: [$nothing]}
  g: {say: $item, foreach: 5}
  h: {say: $item, foreahc: [a]}
  i: {task: 5, args: [$nowhere]}
  j: {task: say, kwrags: {text: 5}}
  k: {say: $f.x, dependencies: [e, nobody]}
  5: {say: x}
  l: {say: $5, args: [1]}
  m: {say: $yes}
  yes: {say: [too, many]}
artifact_outputs:
  ../x: $nil
  y: {content: $e, task: mien.wave}
  z: {task: json}
  w: {contents: $data, task: arrray}
"""


def absent(name: str) -> ProblemItem:
    return ProblemItem(pointer="", code="unknown_plugin", detail=f"there is no plugin {name!r}")


def test_what_is_wrong_with_the_form_with_tasks_and_with_plugins_is_told_at_once_and_each_once() -> None:
    gone = {name: absent(name) for name in ("mien", "other")}
    found = check_graph(read_graph(WRONG_IN_FORM), Catalogue(TASKS, {"mine": []}, absent=gone))
    assert [(one.line, one.column, one.code) for one in found] == [
        (1, 17, "unknown_plugin"),
        (1, 26, "malformed_graph"),
        (2, 1, "unknown_key"),
        (3, 31, "mistyped_default"),
        (4, 16, "unknown_type"),
        (6, 3, "malformed_graph"),
        (8, 9, "malformed_graph"),
        (9, 1, "unknown_key"),
        (10, 36, "mistyped_argument"),
        (11, 17, "surplus_argument"),
        (11, 22, "mistyped_argument"),
        (11, 26, "unknown_key"),
        (13, 7, "unknown_plugin"),
        (13, 19, "unknown_reference"),
        (14, 22, "unknown_reference"),
        (15, 44, "bad_retries"),
        (15, 57, "bad_timeout"),
        (15, 70, "bad_when"),
        (16, 5, "malformed_graph"),
        (17, 13, "unknown_reference"),
        (17, 22, "unknown_key"),
        (17, 28, "unknown_reference"),
        (18, 28, "bad_foreach"),
        (19, 19, "unknown_key"),
        (20, 13, "malformed_graph"),
        (20, 23, "unknown_reference"),
        (21, 18, "unknown_key"),
        (21, 33, "mistyped_argument"),
        (22, 36, "unknown_step"),
        (23, 3, "malformed_graph"),
        (24, 7, "unknown_key"),
        (26, 3, "malformed_graph"),
        (26, 20, "surplus_argument"),
        (28, 3, "malformed_graph"),
        (28, 9, "unknown_reference"),
        (29, 7, "unknown_key"),
        (30, 6, "malformed_graph"),
        (31, 17, "output_needed"),
    ]
    said = {one.pointer: one.detail for one in found}
    assert said["/plugins/1"] == "there is no plugin 'mien'"
    assert "did you mean 'foreach'" in said["/grpah/h/foreahc"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plugins: [mine==1, mine==2]\ngraph: {s: {own: }}", ["conflicting_versions"]),
        ("plugins: [mine, mine==2]\ngraph: {s: {own: }}", []),
        ("parameters: 5\ngraph: {s: {say: $words}}", ["malformed_graph"]),
        ("parameters: {a.b: string}\ngraph: {s: {say: $a.b}}", ["malformed_graph"]),
        (
            "parameters: {n: {type: float, default: [1]}}\ngraph: {s: {say: $n}}",
            ["mistyped_default", "mistyped_argument"],
        ),
        ("tasks: {own: {}}\ngraph: {s: {own: }, t: {say: $s.x}}", ["malformed_graph"]),
        ("types: 5\nparameters: {a: {type: rows}}\ngraph: {s: {say: $a}}", ["malformed_graph"]),
        ("flow: {a: {say: x}}\nartifact_outputs: {o: $a}", ["unknown_key", "malformed_graph"]),
        ("parameters: {5: string}\ngraph: {s: {say: $5}}", ["malformed_graph"]),
        ("graph: {a: 5, b: {say: $a}, a: {laod: x}}", ["malformed_graph", "malformed_graph"]),
        ("graph: [a]\nartifact_outputs: {o: $a, b: $c.d}", ["malformed_graph"]),
        ("graph: {s: {task: fgm, args: {a: $b}}}", ["malformed_graph"]),
        ("graph: {s: {tsak: say, args: [$b]}}", ["unknown_key", "unknown_reference"]),
        ("step: {s: {say: $b}}", ["unknown_key", "unknown_reference"]),
        (
            "graph: {s: {dependencies: [t]}, t: {say: x, retires: 2, retries: 1}}",
            ["malformed_graph", "unknown_key"],
        ),
        ("graph: {s: {5: [$b]}}", ["malformed_graph", "unknown_reference"]),
    ],
)
def test_a_mistake_makes_no_mistake_of_what_refers_to_it_and_hides_none(text: str, told: list[str]) -> None:
    assert sorted(one.code for one in check_graph(read_graph(text), CATALOGUE)) == sorted(told)


def test_a_plugin_that_is_told_elsewhere_is_not_told_again_and_what_may_be_its_task_is_let_be() -> None:
    text = "plugins: [mine]\ngraph: {s: {own: }, t: {mine.own: }, u: {say: $s}, v: {say: 5}}"
    found = check_graph(read_graph(text), Catalogue(TASKS, {}, absent={"mine": None}))
    assert [one.code for one in found] == ["mistyped_argument"]
