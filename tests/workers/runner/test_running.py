"""Graphs that run: every test is one run, in a process of its own, with one Prefect server for all of them."""

import json

from tests.workers.runner.conftest import Run

EVERYTHING_GOOD = """
plugins: [mine]
parameters: {values: {type: list, items: integer, default: [3, 1, 2]}, path: {type: path, default: some/file.txt}, more: {type: mapping, default: {a: 1}}}
graph:
  bounds: {split: [$values]}
  sum: {add: {left: $bounds.low, right: $bounds.high}}
  one: {meet: one}
  two: {meet: two}
  each: {task: add, args: [$item, 10], foreach: $values}
  tried: {flaky: 1, retries: 2}
  never: {boom: , when: $sum > 100}
  after_never: {add: $never}
  called: {name_of: $path}
  later: {later: $bounds.low}
  all: {task: gather, args: [$each, {deep: [$sum]}, $$5, $tried], kwargs: {more: $more, later: $later, called: $called}}
artifact_outputs:
  all: $all
  shout: {contents: $called, task: {name: upper, args: {mark: $one}}}
  skipped: $never
"""


def test_a_graph_runs_from_its_parameters_to_its_artifacts(run: Run) -> None:
    ran = run(EVERYTHING_GOOD, "values=5,4")
    assert ran.code == 0, ran.printed
    assert json.loads((ran.folder / "outputs/all.json").read_text()) == [
        [15, 14],
        {"deep": [9]},
        "$5",
        2,
        {"more": {"a": 1}, "later": 5, "called": "file.txt"},
    ]
    assert (ran.folder / "outputs/shout.up").read_text() == "FILE.TXTone"
    assert sorted(ran.artifacts) == ["outputs/all.json", "outputs/shout.up"]
    assert ran.end["state"] == "succeeded"
    # Side by side: each of the two comes back only with the other.
    assert ran.steps("one") == ran.steps("two") == ["started", "finished"]
    assert ran.steps("each[0]") == ran.steps("each[1]") == ["started", "finished"]
    assert ran.steps("tried") == ["started", "retried", "finished"]
    assert "not yet" in ran.said("tried", "retried")
    assert ran.steps("never") == ran.steps("after_never") == ["skipped"]
    assert ran.said("never", "skipped") == "its condition does not hold: $sum > 100"
    assert ran.said("after_never", "skipped") == "the step 'never', which it needs, was skipped"
    seconds = [one["data"]["seconds"] for one in ran.events if one["data"].get("status") == "finished"]
    assert len(seconds) == 10
    assert all(isinstance(one, float) for one in seconds)


def test_a_step_that_fails_keeps_what_came_before_and_skips_what_needs_it(run: Run) -> None:
    ran = run(
        """
plugins: [mine]
graph:
  before: {add: [1]}
  fails: {task: boom, args: [$before], retries: 1}
  needs: {add: $fails}
  beside: {add: $before}
  few: {too_few: }
  too_slow: {slow: , timeout: 1}
  unordered: {add: 1, when: $before > $text}
  text: {same: hello}
artifact_outputs: {before: $before, beside: $beside, needs: $needs}
"""
    )
    assert ran.code == 1
    assert sorted(ran.artifacts) == ["outputs/before.json", "outputs/beside.json"]
    assert ran.steps("fails") == ["started", "retried", "failed"]
    assert ran.said("fails", "failed") == "ValueError: boom 2"
    assert ran.steps("needs") == ["skipped"]
    assert ran.steps("beside") == ["started", "finished"]
    assert ran.said("few", "failed") == (
        "WrongOutputs: 'too_few' returned 2 results, and its outputs are 3: a, b, c"
    )
    assert "Timeout" in ran.said("too_slow", "failed") or "timeout" in ran.said("too_slow", "failed")
    assert ran.said("unordered", "failed").startswith("TypeError: '>' not supported")
    assert ran.end["state"] == "failed"
    assert ran.end["message"].startswith("The entry point exited with code 1: the step '")


def test_a_step_that_exits_fails_and_takes_no_other_with_it(run: Run) -> None:
    ran = run(
        "plugins: [mine]\ngraph:\n  left: {leave: 0}\n  beside: {add: 1}\n  after: {add: 2, dependencies: [beside]}\n"
    )
    assert ran.steps("left") == ["started", "failed"]
    assert (
        ran.said("left", "failed") == "Exited: 'leave' called sys.exit(0): a task returns, or raises an error"
    )
    assert ran.steps("after") == ["started", "finished"]
    assert (ran.code, ran.end["state"]) == (1, "failed")


def test_a_step_goes_over_a_list_and_over_nothing_else(run: Run) -> None:
    ran = run(
        """plugins: [mine]
graph:
  word: {same: abc}
  five: {same: 5}
  none: {same: [[]]}
  letters: {same: $item, foreach: $word}
  number: {same: $item, foreach: $five}
  nothing: {same: $item, foreach: $none}
artifact_outputs: {nothing: $nothing}
"""
    )
    assert (
        ran.said("letters", "failed") == "TypeError: `foreach` goes over a list, and $word is of the type str"
    )
    assert (
        ran.said("number", "failed") == "TypeError: `foreach` goes over a list, and $five is of the type int"
    )
    assert ran.steps("nothing") == []
    assert ran.artifacts == ["outputs/nothing.json"]
    assert ran.code == 1


def test_a_graph_whose_process_a_step_ends_is_no_success(run: Run) -> None:
    ran = run("plugins: [mine]\ngraph:\n  gone: {leave_at_once: }\n  after: {add: 1, dependencies: [gone]}\n")
    assert (ran.code, ran.end["state"]) == (1, "failed")
    assert ran.end["message"].endswith("did not come to its end: its process ended inside the step 'gone'.")


def test_a_graph_that_cannot_run_is_told_whole_and_starts_nothing(run: Run) -> None:
    ran = run("plugins: [mine]\ngraph:\n  a: {ad: [1]}\n  b: {add: $c}\n")
    assert ran.code == 2
    [problem] = ran.events
    assert [(one["line"], one["code"]) for one in problem["errors"]] == [
        (3, "unknown_task"),
        (4, "unknown_reference"),
    ]


def test_a_value_that_does_not_fit_is_told_before_anything_starts(run: Run) -> None:
    ran = run(EVERYTHING_GOOD, "values=a", "moer=5")
    assert [one["code"] for one in ran.events[0]["errors"]] == ["mistyped_parameter", "unknown_parameter"]
