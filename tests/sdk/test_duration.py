"""A time-out is read as people write it, and nothing else is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.duration import parse_duration
from tiltyard.wire.jobs import MAX_TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1d 2h 3m 4s", 93784), ("1.5h", 5400),
        (" 90 ", 90), ("2H", 7200), ("0.5s", 0.5), ("30d", MAX_TIMEOUT_SECONDS), (45, 45), (0.25, 0.25), ("45", 45),
    ],
)  # fmt: skip
def test_a_duration_is_seconds_or_text_with_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "soon", "h", "1x", "1m1h", "1h1h", "-1", "-5m", "1,5h", "1e3", "inf", "nan", "٣h", "1h 30", "s", "9" * 1000, "PT1H"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="90s, 30m, 2h, 1d"):
        parse_duration(text)


@pytest.mark.parametrize("value", [0, "0", "0s", -1, -0.5, "0h0m"])
def test_a_duration_is_above_zero(value):
    with pytest.raises(ValueError, match=r"above 0|is no duration"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["31d", MAX_TIMEOUT_SECONDS + 1, math.inf, 10**400, "9" * 60 + "d"])
def test_no_job_may_live_longer_than_thirty_days(value):
    with pytest.raises(ValueError, match="the longest is 30d"):
        parse_duration(value)


def test_an_age_may_be_longer_than_a_job_may_live():
    assert parse_duration("90d", longest=400 * 86_400) == 90 * 86_400
    for value in ("401d", 10**400):
        with pytest.raises(ValueError, match="the longest is 400d"):
            parse_duration(value, longest=400 * 86_400)


def test_a_boolean_and_nan_are_no_durations():
    for value in (True, math.nan):
        with pytest.raises(ValueError, match="is no duration"):
            parse_duration(value)


@given(st.text(max_size=80) | st.floats() | st.integers())
def test_whatever_is_given_the_answer_is_a_duration_or_a_sentence(value):
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        assert len(str(error)) < 250  # noqa: PT017 - either outcome is right
    else:
        assert 0 < seconds <= MAX_TIMEOUT_SECONDS
