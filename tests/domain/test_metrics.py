"""What of a metric event is a measurement, and which of several is the last."""

import math
from typing import Any

import pytest

from tiltyard_orchestrator.domain.metrics import Measurement, last_of_each, read_measurement


def measured(name: str, value: float, step: int = 0) -> Measurement:
    return Measurement(name=name, value=value, step=step)


def test_a_measurement_has_a_name_a_number_and_a_step() -> None:
    assert read_measurement({"name": "acc", "value": 0.5, "step": 3}) == measured("acc", 0.5, 3)


@pytest.mark.parametrize("step", [{}, {"step": None}])
def test_a_step_that_nobody_said_is_0(step: dict[str, Any]) -> None:
    assert read_measurement({"name": "acc", "value": 1} | step) == measured("acc", 1.0)


@pytest.mark.parametrize(
    ("text", "value"), [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf)]
)
def test_nan_and_the_infinities_are_numbers(text: str, value: float) -> None:
    read = read_measurement({"name": "loss", "value": text})
    assert read is not None
    assert repr(read.value) == repr(value)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"value": 1},
        {"name": "", "value": 1},
        {"name": 7, "value": 1},
        {"name": "n" * 251, "value": 1},
        {"name": "acc"},
        {"name": "acc", "value": "0.5"},
        {"name": "acc", "value": None},
        {"name": "acc", "value": True},
        {"name": "acc", "value": [1]},
        {"name": "acc", "value": 10**400},
        {"name": "acc", "value": 1, "run": "of another run"},
        {"name": "acc", "value": 1, "step": "x"},
        {"name": "acc", "value": 1, "step": 0.5},
        {"name": "acc", "value": 1, "step": True},
        {"name": "acc", "value": 1, "step": 2**63},
        {"name": "acc", "value": 1, "step": "NaN"},
    ],
)
def test_what_is_malformed_is_no_measurement(data: dict[str, Any]) -> None:
    assert read_measurement(data) is None


def test_the_last_of_a_name_is_the_one_of_the_highest_step_and_among_equals_the_one_told_last() -> None:
    told = [
        measured("loss", 3, 1),
        measured("acc", 0.1, 2),
        measured("loss", 2, 2),
        measured("acc", 0.9, 1),
        measured("loss", 1, 2),
    ]
    assert last_of_each(told) == [measured("acc", 0.1, 2), measured("loss", 1, 2)]
