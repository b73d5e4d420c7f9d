"""What results are asked for, read from text: conditions such as `metric.accuracy<0.5`, and orders such as `-param.eps`.

A metric is compared with a number; NaN is equal to NaN, unlike every number, and neither above nor below any. A parameter
is equal to JSON or text of the same value, and above or below a number if it is one. A job without the metric or the
parameter fits no condition about it, `!=` among them. A name that holds an operator is written in double quotes.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tiltyard.wire.results import as_real
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed, shown

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Kind = Literal["metric", "param"]
Plain = Literal["created", "finished", "seconds"]
PLAIN: tuple[Plain, ...] = ("created", "finished", "seconds")
"""What results are sorted by beside metrics and parameters."""
MOST_CONDITIONS = 20

_CONDITION = re.compile(
    r'\s*(?P<kind>metric|param)\.(?:"(?P<quoted>[^"]+)"|(?P<name>[^<>=!]+?))\s*(?P<operator><=|>=|!=|==|=|<|>)(?P<value>.*)',
    re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_LONGEST = 100
"""Characters of a number."""
_ORDER = re.compile(r'(?P<down>-?)(?P<kind>metric|param)\.(?:"(?P<quoted>[^"]+)"|(?P<name>.+))', re.DOTALL)


class Unreadable(ValueError):
    """A condition or an order that says nothing; the message says what would."""


@dataclass(frozen=True, kw_only=True)
class MetricCondition:
    """A job's metric, as it stands, compares so with a number."""

    name: str
    operator: Operator
    value: float

    @property
    def kind(self) -> Kind:
        """What it is about."""
        return "metric"


@dataclass(frozen=True, kw_only=True)
class ParameterCondition:
    """A job's parameter compares so with a value."""

    name: str
    operator: Operator
    text: str
    """The value as it was written."""
    number: Decimal | None
    """The value as a number, where it is one: only such a one has an above and a below."""

    @property
    def kind(self) -> Kind:
        """What it is about."""
        return "param"


Condition = MetricCondition | ParameterCondition


@dataclass(frozen=True, kw_only=True)
class Order:
    """What results are sorted by: a metric, a parameter, or one of `PLAIN`, which has no name."""

    kind: Kind | Plain
    name: str = ""
    descending: bool = False

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{'-' * self.descending}{self.kind}{'.' if self.name else ''}{self.name}"


NEWEST_FIRST = Order(kind="created", descending=True)


def read_condition(text: str) -> Condition:
    """A condition, such as `metric.accuracy<0.5`. Raises `Unreadable`."""
    found = _CONDITION.fullmatch(text)
    if found is None or "\0" in text:
        example = "metric.NAME or param.NAME, one of = != < <= > >=, and a value, as in metric.accuracy<0.5"
        raise Unreadable(f"{shown(text)} is no condition: write {example}")
    name, value = found["quoted"] or found["name"], found["value"].strip()
    operator: Operator = "=" if found["operator"] == "==" else found["operator"]  # type: ignore[assignment]  # the pattern has no others
    number = _number(value)
    if found["kind"] == "metric":
        return MetricCondition(name=name, operator=operator, value=_real(value, number))
    if number is None and operator not in {"=", "!="}:
        raise Unreadable(f"{shown(value)} is no number: a parameter is above or below numbers only")
    return ParameterCondition(name=name, operator=operator, text=value, number=number)


def read_order(text: str) -> Order:
    """An order, such as `-metric.accuracy`; `-` begins with the highest. Raises `Unreadable`."""
    plain = text.removeprefix("-")
    for kind in PLAIN:
        if plain == kind:
            return Order(kind=kind, descending=text != plain)
    found = _ORDER.fullmatch(text)
    if found is None or "\0" in text:
        hint = did_you_mean(plain, PLAIN)
        example = f"metric.NAME, param.NAME, {', '.join(PLAIN)}, each with - before it for the highest first"
        raise Unreadable(f"results are not sorted by {shown(text)}{hint}: write {example}")
    name = found["quoted"] or found["name"]
    return Order(kind=found["kind"], name=name, descending=bool(found["down"]))  # type: ignore[arg-type]  # the pattern has no others


def no_such(kind: Kind, name: str, known: list[str], experiment: str) -> str:
    """What to say of a metric or a parameter that no job of an experiment has."""
    what = "metric" if kind == "metric" else "parameter"
    if not known:
        return f"no job of experiment {shown(experiment)} has a {what} so far"
    hint = did_you_mean(name, known) or f"; there are {listed(known)}"
    return f"no job of experiment {shown(experiment)} has a {what} {shown(name)}{hint}"


def _number(text: str) -> Decimal | None:
    return Decimal(text) if len(text) <= _LONGEST and _NUMBER.fullmatch(text) else None


def _real(text: str, number: Decimal | None) -> float:
    value = as_real(text) if number is None else float(number)
    if value is None or (number is not None and math.isinf(value)):
        raise Unreadable(f"{shown(text)} is no number: a metric is compared with one, or NaN, or Infinity")
    return value
