"""When two runs came to the same, and in what several jobs differ."""

import math
from typing import Any

import pytest

from tiltyard.comparing import Verdict, compare_metric, compare_metrics, compare_runs, differences, facts_of
from tiltyard.wire.environments import Environment, Hardware
from tiltyard.wire.manifests import Manifest, ManifestInput, OutputFile
from tiltyard.wire.plugins import PluginPin

NAN, INF = math.nan, math.inf
DIGEST = "a" * 64


def a_manifest(**changes: Any) -> Manifest:
    given = {
        "complete": True,
        "job": "a" * 20,
        "archive": DIGEST,
        "entry_point": "main",
        "parameters": {"eps": 0.1},
        "command": "python attack.py",
        "queue": "cpu",
        "ran_in": Environment(python="3.11.7", hardware=Hardware(cpus=2), packages={"numpy": "2.3.1"}),
        "exit": {"state": "succeeded", "exit_code": 0},
        "metrics": {"accuracy": 0.9},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Manifest.model_validate(given | changes)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.1, 0.1, Verdict.identical),
        (NAN, NAN, Verdict.identical),
        (INF, INF, Verdict.identical),
        (0.0, -0.0, Verdict.identical),
        (1.0, 1.0 + 1e-7, Verdict.within),
        (1e300, 1e300 * (1 + 1e-7), Verdict.within),
        (1.0, 1.0 + 1e-5, Verdict.different),
        (INF, -INF, Verdict.different),
        (INF, 1e308, Verdict.different),
        (NAN, 0.0, Verdict.different),
        (0.0, 1e-300, Verdict.different),
        (None, 0.1, Verdict.missing),
        (NAN, None, Verdict.missing),
    ],
)
def test_two_values_are_identical_near_different_or_missing(
    before: float | None, after: float | None, verdict: Verdict
) -> None:
    assert compare_metric(before, after) is verdict
    assert compare_metric(after, before) is verdict


def test_the_tolerance_is_a_part_of_the_larger_value() -> None:
    assert compare_metric(100.0, 99.0, tolerance=0.01) is Verdict.within
    assert compare_metric(100.0, 98.9, tolerance=0.01) is Verdict.different
    assert compare_metric(1.0, 1.0 + 1e-15, tolerance=0) is Verdict.different


def test_every_metric_of_either_run_is_compared() -> None:
    found = compare_metrics({"b": 1.0, "a": 1.0}, {"b": 2.0, "c": NAN})
    assert [(one.name, one.verdict) for one in found] == [
        ("a", Verdict.missing),
        ("b", Verdict.different),
        ("c", Verdict.missing),
    ]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ({}, Verdict.identical),
        ({"metrics": {"accuracy": 0.9 + 1e-9}}, Verdict.within),
        ({"metrics": {"accuracy": 0.8}}, Verdict.different),
        ({"metrics": {}}, Verdict.different),
        ({"exit": {"state": "failed", "reason": "exit_code", "exit_code": 1}}, Verdict.different),
    ],
)
def test_a_run_is_judged_by_its_metrics_and_its_end(after: dict[str, Any], verdict: Verdict) -> None:
    assert compare_runs(a_manifest(), a_manifest(job="b" * 20, **after)).verdict is verdict


def test_what_else_differs_between_two_runs_is_told_and_not_judged() -> None:
    picture = OutputFile(path="curve.png", size=1, sha256=DIGEST, media_type="image/png")
    elsewhere = Environment(python="3.12.0", hardware=Hardware(cpus=2), packages={"numpy": "2.3.2"})
    found = compare_runs(
        a_manifest(outputs=[picture]),
        a_manifest(outputs=[picture.model_copy(update={"sha256": "b" * 64})], ran_in=elsewhere),
    )
    assert found.verdict is Verdict.identical
    assert [one.fact for one in found.differences] == [
        "environment.python",
        "environment.packages.numpy",
        "outputs.curve.png",
    ]


def test_only_what_differs_is_shown_unless_all_is_asked_for() -> None:
    jobs = [
        a_manifest(parameters={"eps": eps, "seed": 7}, metrics={"accuracy": eps}) for eps in (0.1, 0.1, 0.3)
    ]
    assert [(one.fact, one.values) for one in differences(jobs)] == [
        ("parameters.eps", [0.1, 0.1, 0.3]),
        ("metrics.accuracy", [0.1, 0.1, 0.3]),
    ]
    everything = {one.fact for one in differences(jobs, everything=True)}
    assert {"archive", "parameters.seed", "environment.packages.numpy", "exit.state"} <= everything


def test_a_job_that_has_not_what_another_one_has_differs_from_it() -> None:
    pin = PluginPin(name="mine", version="1", sha256=DIGEST)
    model = ManifestInput(parameter="model", kind="model", reference="model:victim/3", sha256=DIGEST)
    found = differences([a_manifest(plugins=[pin], inputs=[model]), a_manifest(ran_in=None)])
    named = {one.fact: one.values for one in found}
    assert named["plugins.mine"] == [f"1 {DIGEST}", None]
    assert named["inputs.model"] == [f"model:victim/3 {DIGEST}", None]
    assert named["environment.python"] == ["3.11.7", None]


def test_nan_is_no_difference() -> None:
    jobs = [a_manifest(metrics={"loss": NAN}, job=name * 20) for name in "ab"]
    assert differences(jobs) == []
    assert facts_of(jobs[0])["metrics.loss"] == "NaN"
