"""Conditions about metrics and parameters, as predicates of a query over jobs."""

import json
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Numeric,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from tiltyard_orchestrator.domain.questions import Condition, MetricCondition, ParameterCondition
from tiltyard_orchestrator.storage.results.metrics import POSTED
from tiltyard_orchestrator.storage.tables import JobRow, MetricRow

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NAN = cast(literal("NaN"), Double)


def holds(condition: Condition) -> ColumnElement[bool]:
    """What is true of the jobs that fit a condition."""
    match condition:
        case MetricCondition():
            return _of_metric(condition)
        case ParameterCondition():
            return _of_parameter(condition)


def _of_metric(condition: MetricCondition) -> ColumnElement[bool]:
    value = col(MetricRow.value)
    given = _NAN if math.isnan(condition.value) else cast(literal(condition.value), Double)
    fits = _COMPARE[condition.operator](value, given)
    if condition.operator not in {"=", "!="}:
        # PostgreSQL has NaN above all numbers; here it is neither above nor below any.
        fits = and_(fits, value != _NAN, literal(not math.isnan(condition.value)))
    found = select(literal(1)).where(
        col(MetricRow.job_id) == col(JobRow.id),
        col(MetricRow.name) == condition.name,
        col(MetricRow.attempt).in_([POSTED, col(JobRow.attempt)]),
        fits,
    )
    return exists(found.correlate(JobRow))


def _of_parameter(condition: ParameterCondition) -> ColumnElement[bool]:
    value = col(JobRow.parameters)[condition.name]
    if condition.operator in {"=", "!="}:
        same = or_(
            func.coalesce(value.astext == condition.text, literal(False)), *_as_json(value, condition.text)
        )
        return and_(value.is_not(None), same if condition.operator == "=" else not_(same))
    number = case((func.jsonb_typeof(value) == "number", cast(value.astext, Numeric)), else_=None)
    fits = _COMPARE[condition.operator](number, literal(condition.number, Numeric()))
    return func.coalesce(fits, literal(False))


def _as_json(value: ColumnElement[Any], text: str) -> list[ColumnElement[bool]]:
    """Equality as JSON, where the text is JSON: 0.10 is 0.1, and [1,2] is [1, 2]."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(given, float) and not math.isfinite(given):
        return []
    return [value == cast(literal(given, JSONB(none_as_null=False)), JSONB)]
