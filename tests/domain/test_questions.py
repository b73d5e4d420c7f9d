"""Conditions and orders of results, read from text."""

import math
from decimal import Decimal

import pytest

from tiltyard_orchestrator.domain.questions import (
    MetricCondition,
    Order,
    ParameterCondition,
    Unreadable,
    no_such,
    read_condition,
    read_order,
)


@pytest.mark.parametrize(
    ("text", "name", "operator", "value"),
    [
        ("metric.accuracy<0.5", "accuracy", "<", 0.5),
        ("metric.accuracy <= 1", "accuracy", "<=", 1.0),
        ("metric.loss>-1e-3", "loss", ">", -0.001),
        ("metric.loss==2", "loss", "=", 2.0),
        ("metric.val/top 5!=.5", "val/top 5", "!=", 0.5),
        ("metric.loss=Infinity", "loss", "=", math.inf),
        ('metric."a<b">=3', "a<b", ">=", 3.0),
        ("metric.a.b=1", "a.b", "=", 1.0),
    ],
)
def test_a_metric_is_compared_with_a_number(text: str, name: str, operator: str, value: float) -> None:
    assert read_condition(text) == MetricCondition(name=name, operator=operator, value=value)  # type: ignore[arg-type]


def test_a_metric_may_be_asked_to_be_nan() -> None:
    condition = read_condition("metric.loss=NaN")
    assert isinstance(condition, MetricCondition)
    assert math.isnan(condition.value)


@pytest.mark.parametrize(
    ("text", "operator", "value", "number"),
    [
        ("param.eps>=0.10", ">=", "0.10", Decimal("0.10")),
        ("param.eps=fgm", "=", "fgm", None),
        ("param.eps!=", "!=", "", None),
        ("param.eps=[1, 2]", "=", "[1, 2]", None),
        ("param.eps= a=b ", "=", "a=b", None),
    ],
)
def test_a_parameter_is_compared_with_a_value(
    text: str, operator: str, value: str, number: Decimal | None
) -> None:
    assert read_condition(text) == ParameterCondition(
        name="eps",
        operator=operator,
        text=value,
        number=number,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "accuracy<0.5", "metric.<1", "metric.accuracy", "metric.acc<high", "metric.acc<", "metric.acc=1e999",
        "metric.acc=true", "param.eps<large", "tag.x=1", "metric.a\0b=1", "param.eps<NaN", "metric.acc=" + "1" * 200,
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Unreadable, match=r"is no condition: write|is no number"):
        read_condition(text)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("created", Order(kind="created")),
        ("-seconds", Order(kind="seconds", descending=True)),
        ("-metric.val/acc", Order(kind="metric", name="val/acc", descending=True)),
        ("param.eps", Order(kind="param", name="eps")),
        ('metric."a b"', Order(kind="metric", name="a b")),
    ],
)
def test_an_order_names_what_is_sorted_by_and_which_way(text: str, order: Order) -> None:
    assert read_order(text) == order


@pytest.mark.parametrize("text", ["", "-", "creatd", "metric.", "accuracy", "--created", "param"])
def test_an_order_by_nothing_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match=r"results are not sorted by .*: write metric\.NAME"):
        read_order(text)


def test_a_mistyped_order_and_an_unknown_name_say_what_may_be_meant() -> None:
    with pytest.raises(Unreadable, match="did you mean 'created'"):
        read_order("creatd")
    assert "(did you mean 'accuracy'?)" in no_such("metric", "acuracy", ["accuracy", "loss"], "digits")
    assert no_such("param", "q", ["eps"], "digits").endswith('has a parameter "q"; there are "eps"')
    assert no_such("metric", "q", [], "digits") == 'no job of experiment "digits" has a metric so far'
