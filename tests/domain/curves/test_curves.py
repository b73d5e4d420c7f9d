"""From cells to curves: what is drawn when nothing is said, and what is counted when something is missing."""

import math
from itertools import product
from typing import Any

import pytest

from tiltyard.wire.archives import Parameter
from tiltyard.wire.curves import Curves
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.curves import Asked, Labels, Row, View, choose, choose_metric, draw_lines
from tiltyard_orchestrator.domain.curves.rows import axes_of, label

EPS, ATTACKS, SEEDS = [0.0, 0.1, 0.2], ["fgm", "pgd"], [1, 2, 3]


def row(metric: float | None = 0.5, state: str | None = "succeeded", **values: Any) -> Row:
    return Row(values=values, metric=metric, state=state)


def grid() -> list[Row]:
    """Accuracy falls with eps, faster under pgd, and differs by 0.01 from seed to seed."""
    return [
        row(1 - eps * (1 if attack == "fgm" else 2) + 0.01 * (seed - 2), eps=eps, attack=attack, seed=seed)
        for attack, eps, seed in product(ATTACKS, EPS, SEEDS)
    ]


def drawn(rows: list[Row], *, sampled: bool = False, **asked: Any) -> Curves:
    axes = axes_of(rows)
    view = choose(rows, axes, Asked(**asked))
    assert isinstance(view, View), view
    return draw_lines(rows, axes, view, y="robust_accuracy", labels=Labels(), sampled=sampled)


def refused(rows: list[Row], **asked: Any) -> list[ProblemItem]:
    problems = choose(rows, axes_of(rows), Asked(**asked))
    assert isinstance(problems, list), problems
    return problems


def test_a_number_goes_along_an_attack_has_a_line_and_the_seed_is_averaged() -> None:
    curves = drawn(grid())
    assert (curves.x, curves.by, curves.over) == ("eps", ["attack"], ["seed"])
    assert [line.label for line in curves.lines] == ["fgm", "pgd"]
    pgd = curves.lines[1].points
    assert [(point.x, point.n) for point in pgd] == [(0.0, 3), (0.1, 3), (0.2, 3)]
    assert [point.mean for point in pgd] == pytest.approx([1, 0.8, 0.6])
    # s = 0.01 of three values: 4.302653 · 0.01 / √3.
    assert pgd[1].high - pgd[1].mean == pytest.approx(0.024841, abs=1e-6)
    assert curves.band == "95 % interval of the mean"
    assert (curves.missing, curves.note, curves.joined, curves.scale) == ({}, "", True, "linear")


def test_what_is_asked_for_is_drawn() -> None:
    curves = drawn(grid(), x="seed", by=("eps", "attack"))
    assert (curves.x, curves.by, curves.over) == ("seed", ["eps", "attack"], [])
    assert [line.label for line in curves.lines][:2] == ["eps=0, attack=fgm", "eps=0, attack=pgd"]
    alone = drawn(grid(), by=())
    assert (len(alone.lines), alone.lines[0].label, alone.over) == (1, "", ["attack", "seed"])
    assert alone.lines[0].points[0].n == 6


def test_with_over_everything_else_has_lines() -> None:
    rows = [
        row(eps=eps, attack=a, norm=n, seed=s)
        for eps, a, n, s in product(EPS, ATTACKS, ["l2", "linf"], SEEDS)
    ]
    assert drawn(rows, over=("seed",)).by == ["attack", "norm"]
    assert drawn(rows).over == ["norm", "seed"]


def test_no_cell_is_dropped_in_silence() -> None:
    rows = [
        row(0.5, eps=0.1), row(0.7, eps=0.2), row(math.nan, eps=0.1), row(math.inf, eps=0.1), row(None, eps=0.1),
        row(0.1, "failed", eps=0.1), row(0.1, "running", eps=0.2), row(None, "queued", eps=0.3),
        row(None, None, eps=0.3), row(0.3),
    ]  # fmt: skip
    curves = drawn(rows)
    assert [(point.x, point.n, point.mean) for point in curves.lines[0].points] == [
        (0.1, 1, 0.5),
        (0.2, 1, 0.7),
    ]
    assert curves.values == [0.1, 0.2, 0.3]
    assert curves.note.startswith("8 of 10 cells missing: 1 failed, 1 running, 1 queued, 1 removed")
    assert curves.missing["not finite"] == 2
    assert curves.missing["without this metric"] == curves.missing["without these parameters"] == 1
    assert sum(curves.missing.values()) + sum(point.n for point in curves.lines[0].points) == len(rows)


def test_a_heatmap_takes_a_second_number_and_keeps_rows_that_have_no_value() -> None:
    rows = [
        row(0.5 if steps < 20 else None, eps=eps, steps=steps, attack=attack)
        for eps, steps, attack in product(EPS, [10, 20], ATTACKS)
    ]
    curves = drawn(rows, heatmap=True)
    assert (curves.x, curves.by, curves.over) == ("eps", ["steps"], ["attack"])
    assert [(line.label, len(line.points)) for line in curves.lines] == [("10", 3), ("20", 0)]


def test_zipped_parameters_follow_each_other_and_are_not_averaged() -> None:
    rows = [row(eps=eps, steps=steps) for eps, steps in zip([0.1, 0.2, 0.3], [10, 20, 30], strict=True)]
    curves = drawn(rows)
    assert (curves.x, curves.by, curves.over, len(curves.lines), curves.joined) == ("eps", [], [], 1, True)


def test_cells_drawn_at_random_are_points_and_no_line() -> None:
    rows = [row(eps=at * 0.37 % 1, rate=at * 7 % 100 + 0.5, attack=ATTACKS[at % 2]) for at in range(50)]
    curves = drawn(rows, sampled=True)
    assert (curves.by, curves.joined, [len(line.points) for line in curves.lines]) == (
        ["attack"],
        False,
        [25, 25],
    )
    assert drawn([row(eps=at * 0.37 % 1) for at in range(50)], sampled=True).joined is True


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1, 10, 100], "linear"),
        ([1, 10, 1000], "log"),
        ([*range(1, 1000)], "linear"),
        ([0, 1, 1000], "symlog"),
        ([-1, 1, 1000], "linear"),
        ([0, 0.5], "linear"),
    ],
)
def test_values_over_more_than_two_decades_get_a_logarithmic_scale(values: list[float], scale: str) -> None:
    assert drawn([row(queries=value) for value in values]).scale == scale


def test_one_and_one_point_nought_are_one_value_and_true_is_another() -> None:
    curves = drawn([row(0.2, eps=1), row(0.4, eps=1.0), row(0.6, eps=2)])
    assert [(point.x, point.n) for point in curves.lines[0].points] == [(1, 2), (2, 1)]
    mixed = drawn([row(p=True), row(p=1), row(p="1"), row(p=[1])])
    assert (len(mixed.values), mixed.numeric, mixed.joined) == (4, False, False)


def test_large_integers_are_told_apart_and_long_names_keep_both_their_ends() -> None:
    curves = drawn([row(n=2**63 + at) for at in range(3)])
    assert len(curves.values) == 3
    assert label(10**300) == "1e+300"
    long = "a model with a very long name, which goes on, "
    names = [line.label for line in drawn([row(eps=e, m=f"{long}{m}") for e in (1, 2) for m in (7, 8)]).lines]
    assert [len(name) for name in names] == [40, 40]
    assert (names[0][:7], [name[-1] for name in names]) == ("a model", ["7", "8"])


def test_mistakes_are_told_with_what_was_meant() -> None:
    (unknown,) = refused(grid(), x="esp")
    assert (unknown.pointer, unknown.code) == ("?x", "unknown_axis")
    assert "did you mean 'eps'?" in unknown.detail
    assert [one.pointer for one in refused(grid(), by=("atack",), over=("sed",))] == ["?by", "?over"]
    assert refused(grid(), x="eps", by=("eps",))[0].code == "axis_twice"
    assert refused([row(eps=1), row(eps=1)])[0].code == "no_axis"
    assert refused([row(eps=1), row(eps=2)], heatmap=True)[0].code == "no_axis"
    many = [row(eps=eps, model=model) for eps, model in product(EPS, range(30))]
    assert refused(many, x="eps", by=("model",))[0].code == "too_many_lines"
    assert drawn(many, x="eps").over == ["model"]


def test_the_metric_is_the_one_that_a_sweep_of_attacks_is_about() -> None:
    assert choose_metric(["accuracy", "loss", "robust_accuracy", "robust_loss"], None) == "robust_accuracy"
    assert choose_metric(["accuracy", "attack_success"], None) == "attack_success"
    assert choose_metric(["loss", "queries"], None) == "loss"
    assert choose_metric(["loss", "queries"], "queries") == "queries"
    wrong = choose_metric(["loss", "queries"], "querys")
    assert isinstance(wrong, ProblemItem)
    assert "did you mean 'queries'?" in wrong.detail


def test_axes_say_what_their_entry_point_declares() -> None:
    labels = Labels(
        declared={"eps": Parameter(name="eps", help="Largest change of a pixel (Linf).\nFrom 0 to 1.")}
    )
    assert labels.of("eps") == "eps: Largest change of a pixel (Linf)"
    assert labels.of("steps") == "steps"
