"""From axes to cells: what is put together, in which order, and everything that is refused."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tiltyard.wire import Parameter, ParameterType, ProblemItem, SweepMode, SweepSubmission
from tiltyard_orchestrator.domain.sweep.axes import ReadAxis, read_axes
from tiltyard_orchestrator.domain.sweep.expand import Choice, expand
from tiltyard_orchestrator.domain.sweep.ranges import Range

DECLARED = [
    Parameter(name="eps", type=ParameterType.float, default=0.1),
    Parameter(name="steps", type=ParameterType.integer, default=1),
    Parameter(name="attack", type=ParameterType.choice, choices=["fgm", "pgd"], default="fgm"),
    Parameter(name="note", type=ParameterType.string, default=""),
]


def sweep(*axes: dict[str, Any], **more: Any) -> SweepSubmission:
    asked = {"experiment": "digits", "archive": "a" * 64, "axes": list(axes)} | more
    return SweepSubmission.model_validate(asked)


def choices(*axes: dict[str, Any], **more: Any) -> list[Choice]:
    found = outcome(*axes, **more)
    assert not any(isinstance(one, ProblemItem) for one in found), found
    return [one for one in found if isinstance(one, tuple)]


def outcome(*axes: dict[str, Any], **more: Any) -> list[Choice] | list[ProblemItem]:
    asked = sweep(*axes, **more)
    read = read_axes(asked, DECLARED)
    problems = [one for one in read if isinstance(one, ProblemItem)]
    if problems:
        return problems
    axes_read = [one for one in read if isinstance(one, ReadAxis)]
    return expand(axes_read, asked.mode, count=asked.count, seed=asked.seed)


def codes(*axes: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in outcome(*axes, **more) if isinstance(one, ProblemItem)]


def values(name: str, *given: Any) -> dict[str, Any]:
    return {"parameter": name, "values": list(given)}


def ranged(name: str, start: float, stop: float, count: int | None = None, **more: Any) -> dict[str, Any]:
    return {"parameter": name, "from": start, "to": stop, "count": count} | more


def test_a_grid_has_each_value_with_each_and_the_last_axis_moves_fastest() -> None:
    found = choices(values("eps", 0, "0.1"), values("attack", "fgm", "pgd"))
    assert found == [(0, "fgm"), (0, "pgd"), (0.1, "fgm"), (0.1, "pgd")]


def test_a_range_has_the_values_that_somebody_would_write() -> None:
    assert [one for (one,) in choices(ranged("eps", 0, 0.3, 7))] == [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    assert [one for (one,) in choices(ranged("eps", 1e-4, 1, 5, scale="log"))] == [
        0.0001,
        0.001,
        0.01,
        0.1,
        1,
    ]
    assert [one for (one,) in choices(ranged("steps", 10, 0, 3))] == [10, 5, 0]
    assert [one for (one,) in choices(ranged("steps", 1, 1000, 4, scale="log"))] == [1, 10, 100, 1000]


def test_a_range_that_is_made_longer_keeps_the_values_that_it_had() -> None:
    before, longer = choices(ranged("eps", 0, 0.3, 7)), choices(ranged("eps", 0, 0.35, 8))
    assert longer[:7] == before


def test_a_zip_has_the_first_values_then_the_second() -> None:
    found = choices(values("eps", 0.1, 0.1), values("steps", 1, 2), mode="zip")
    assert found == [(0.1, 1), (0.1, 2)]


@pytest.mark.parametrize(
    "axes",
    [
        [values("steps", *range(40)), values("attack", "fgm", "pgd")],
        [ranged("eps", 0, 1), values("attack", "fgm", "pgd")],
        [ranged("eps", 1e-6, 1, scale="log"), ranged("steps", 1, 50)],
    ],
    ids=["listed", "a range", "two ranges"],
)
def test_a_sample_is_the_seeds_without_repeats_and_a_higher_count_goes_on(axes: list[dict[str, Any]]) -> None:
    drawn = choices(*axes, mode="random", count=20, seed=7)
    assert drawn == choices(*axes, mode="random", count=20, seed=7)
    assert drawn != choices(*axes, mode="random", count=20, seed=8)
    assert drawn == choices(*axes, mode="random", count=30, seed=7)[:20]
    assert len(set(drawn)) == 20


def test_a_sample_may_have_all_there_is_and_no_more() -> None:
    axes = (ranged("steps", 1, 5), values("attack", "fgm", "pgd"))
    assert len(set(choices(*axes, mode="random", count=10, seed=1))) == 10
    assert codes(*axes, mode="random", count=11, seed=1) == [("/count", "too_few_values")]
    listed = (values("steps", 1, 2), values("attack", "fgm", "pgd"))
    assert sorted(choices(*listed, mode="random", count=4, seed=1)) == sorted(choices(*listed))
    assert codes(*listed, mode="random", count=5) == [("/count", "too_few_values")]


def test_a_sample_of_few_values_ends_where_nothing_new_comes() -> None:
    fixed = values("note", "x")
    narrow = ranged("eps", 1, 1.000001)
    skewed = ranged("steps", 1, 2**60, scale="log")
    drawn = count_draws(lambda: codes(narrow, fixed, mode="random", count=100_000, seed=1))
    assert drawn < 2_000
    assert codes(narrow, fixed, mode="random", count=100_000, seed=1) == [("/count", "too_few_values")]
    assert len(choices(skewed, fixed, mode="random", count=1_000, seed=1)) == 1_000
    assert (
        count_draws(lambda: codes(ranged("steps", 1, 9, scale="log"), mode="random", count=10, seed=1)) == 0
    )
    assert len(set(choices(ranged("steps", 1, 20_000), mode="random", count=20_000, seed=1))) == 20_000


def count_draws(of: Callable[[], object]) -> int:
    """How many numbers are drawn from ranges."""
    drawn = []
    draw = Range.draw

    def counted(one: Range, chance: Random) -> float:
        drawn.append(one)
        return draw(one, chance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Range, "draw", counted)
        of()
    return len(drawn)


def test_a_sample_may_be_of_a_grid_that_nobody_could_write_down() -> None:
    axes = [
        values("steps", *range(1000)),
        ranged("eps", 0, 1, 100_000),
        values("note", *map(str, range(1000))),
    ]
    assert len(set(choices(*axes, mode="random", count=50, seed=3))) == 50


def test_everything_that_is_wrong_with_the_axes_is_told_at_once() -> None:
    told = codes(
        values("epz", 0.1),
        values("eps", 0.1, "much"),
        values("attack", "fgm", "fgsm", "cw"),
        values("steps", 1, 1.0),
        values("steps", 1),
        values("note"),
        parameters={"eps": 0.1},
    )
    assert told == [
        ("/axes/0/parameter", "unknown_parameter"),
        ("/axes/1/parameter", "fixed_and_axis"),
        ("/axes/2/values/1", "mistyped_parameter"),
        ("/axes/2/values/2", "mistyped_parameter"),
        ("/axes/3/values/1", "repeated_value"),
        ("/axes/4/parameter", "repeated_axis"),
        ("/axes/5", "bad_axis"),
    ]


@pytest.mark.parametrize(
    "axis",
    [
        {"parameter": "eps"},
        values("eps", 1) | {"from": 0},
        ranged("eps", 0, 1),
        ranged("eps", 0, 1, 1),
        ranged("eps", 1, 1, 3),
        ranged("eps", 0, 1, 3, scale="log"),
        {"parameter": "eps", "from": 0, "count": 3},
        ranged("note", 0, 1, 3),
        ranged("eps", -1.7e308, 1.7e308, 3),
        ranged("eps", 10**400, 1, 3),
        ranged("steps", 1, 10**400, 3, scale="log"),
    ],
)
def test_a_range_that_is_none_is_refused(axis: dict[str, Any]) -> None:
    assert codes(axis) == [("/axes/0", "bad_axis")]


def test_a_range_of_whole_numbers_that_is_cut_elsewhere_is_refused() -> None:
    assert codes(ranged("steps", 0, 10, 4)) == [("/axes/0", "mistyped_parameter")] * 2


def test_axes_that_do_not_go_together_are_refused() -> None:
    assert codes(values("eps", 1, 2), values("steps", 1), mode="zip") == [("/axes", "unequal_axes")]
    assert codes(values("eps", 1, 1.0), values("steps", 1, 1), mode="zip") == [("/axes", "repeated_value")]
    many = values("eps", *range(1000))
    assert codes(many, values("steps", *range(101))) == [("/axes", "too_many_cells")]
    assert len(choices(many, values("steps", *range(100)))) == 100_000
    assert codes(many, mode="random") == [("/count", "missing_count")]
    assert codes(many, count=3) == [("/count", "not_random")]
    assert codes(many, seed=3) == [("/seed", "not_random")]


def test_axes_that_make_too_much_are_refused_before_a_value_is_worked_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Range, "cut")
    axes = [ranged(name, 1e-300, 1e300, 100_000, scale="log") for name in ("eps", "steps") * 6]
    told = codes(*axes)
    assert told == [("/axes", "too_many_cells"), ("/axes", "too_many_values")]
    for mode in ("zip", "random"):
        assert codes(*axes, mode=mode) == [("/axes", "too_many_values")]
    assert codes(*axes[:2], values("attack")) == [("/axes", "too_many_cells")]


def test_a_mode_is_one_of_three() -> None:
    assert {one.value for one in SweepMode} == {"grid", "zip", "random"}
