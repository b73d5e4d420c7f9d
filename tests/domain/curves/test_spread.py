"""The mean of a few runs, and how far it can be trusted."""

import math

import pytest
from scipy import stats

from tiltyard_orchestrator.domain.curves.spread import band_in_words, spread, student_t


def test_from_three_values_on_the_band_is_students_interval() -> None:
    # By hand: mean 3, s = √2.5, t(4) = 2.776445; 2.776445 · √(2.5 / 5) = 1.963243.
    one = spread([1, 2, 3, 4, 5])
    assert (one.n, one.mean) == (5, 3)
    assert (one.low, one.high) == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_it_is_what_scipy_finds() -> None:
    values = [0.91, 0.87, 0.93, 0.9]
    low, high = stats.t.interval(0.95, 3, loc=sum(values) / 4, scale=stats.sem(values))
    assert (spread(values).low, spread(values).high) == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize("freedom", [2, 3, 9, 10, 11, 30, 1000, 10**6])
def test_students_t_is_right_to_five_digits(freedom: int) -> None:
    assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=2e-5)


def test_two_values_have_a_range_and_one_has_no_band() -> None:
    two = spread([0.4, 0.8])
    assert (two.mean, two.low, two.high) == pytest.approx((0.6, 0.4, 0.8))
    one = spread([0.4])
    assert (one.mean, one.low, one.high) == (0.4, 0.4, 0.4)


def test_equal_values_have_a_band_of_no_width_and_huge_ones_a_finite_mean() -> None:
    assert spread([0.5] * 4).low == spread([0.5] * 4).high == 0.5
    huge = spread([1.5e308, 1.5e308, 1.4e308])
    assert math.isfinite(huge.mean)


def test_the_bands_are_named_for_what_they_are() -> None:
    assert band_in_words([5, 5]) == "95 % interval of the mean"
    assert band_in_words([2, 1]) == "smallest to largest"
    assert "where there are two" in band_in_words([3, 2])
    assert band_in_words([1, 1]) == ""
