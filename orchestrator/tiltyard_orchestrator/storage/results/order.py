"""The order of results, and the place of a row in it.

Sorted by a metric or a parameter, numbers come first, upwards or downwards; then NaN, or a parameter's texts; then the jobs
that have none, whichever way the numbers go. Equal ones stand by id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Numeric,
    SQLColumnExpression,
    Text,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    or_,
    tuple_,
)
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from tiltyard_orchestrator.domain.questions import Order
from tiltyard_orchestrator.storage.cursor import BadCursor, decode_place, encode
from tiltyard_orchestrator.storage.tables import JobRow

NOT_OURS = "this cursor is not one that a list in this order gave out"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of the expressions that rows are ordered by."""

    expression: SQLColumnExpression[Any]
    kind: TypeEngine[Any]
    descending: bool = False

    @property
    def ordered(self) -> UnaryExpression[Any]:
        """As it stands in an ORDER BY."""
        return self.expression.desc() if self.descending else self.expression.asc()


def keys_of(order: Order, measured: SQLColumnExpression[Any]) -> list[Key]:
    """What an order sorts by; `measured` is the value of the metric that it names, or NULL."""
    down = order.descending
    job_id = Key(expression=col(JobRow.id), kind=Text(), descending=order.kind == "created" and down)
    match order.kind:
        case "created":  # an index has them in this order, both ways
            moment = DateTime(timezone=True)
            return [Key(expression=col(JobRow.created_at), kind=moment, descending=down), job_id]
        case "metric":
            rank = case((measured.is_(None), 2), (measured == _NAN, 1), else_=0)
            value = case((rank == 0, measured), else_=0.0)
            return [_rank(rank), Key(expression=value, kind=Double(), descending=down), job_id]
        case "param":
            return [*_of_parameter(order), job_id]
        case "finished" | "seconds":
            ended = col(JobRow.finished_at)
            since = ended - col(JobRow.started_at) if order.kind == "seconds" else ended
            # In whole microseconds: the place that a cursor names is found again.
            number = func.coalesce(cast(extract("epoch", since) * 1_000_000, Numeric), 0)
            rank = case((since.is_(None), 2), else_=0)
            return [_rank(rank), Key(expression=number, kind=Numeric(), descending=down), job_id]


_NAN = cast(literal("NaN"), Double)


def _rank(expression: SQLColumnExpression[int]) -> Key:
    return Key(expression=expression, kind=Integer())


def _of_parameter(order: Order) -> list[Key]:
    value = col(JobRow.parameters)[order.name]
    kind = func.coalesce(func.jsonb_typeof(value), "null")
    rank = case((kind == "number", 0), (kind == "null", 2), else_=1)
    number = case((kind == "number", cast(value.astext, Numeric)), else_=0)
    words = case((rank == 1, value.astext), else_="").collate("C")
    return [
        _rank(rank),
        Key(expression=number, kind=Numeric(), descending=order.descending),
        Key(expression=words, kind=Text(), descending=order.descending),
    ]


def cursor_of(order: Order, keys: Sequence[Key], place: Sequence[Any]) -> str:
    """The cursor of a row, from the values of its keys. It says which order it is of."""
    plain = [
        str(value) if type(key.kind) is Numeric else value for key, value in zip(keys, place, strict=True)
    ]
    return encode(order.text, *plain)


def behind(cursor: str, order: Order, keys: Sequence[Key]) -> ColumnElement[bool]:
    """What is true of the rows behind a cursor.

    Raises:
        BadCursor: it is none of ours, or of another order.
    """
    match decode_place(cursor):
        case [text, *place] if text == order.text and len(place) == len(keys):
            values = [_read(key, value) for key, value in zip(keys, place, strict=True)]
        case _:
            raise BadCursor(NOT_OURS)
    if len({key.descending for key in keys}) == 1:
        left, right = tuple_(*(key.expression for key in keys)), tuple_(*values)
        return left < right if keys[0].descending else left > right
    return _beyond(list(zip(keys, values, strict=True)))


def _beyond(pairs: list[tuple[Key, ColumnElement[Any]]]) -> ColumnElement[bool]:
    (key, value), *rest = pairs
    further = key.expression < value if key.descending else key.expression > value
    return or_(further, and_(key.expression == value, _beyond(rest))) if rest else further


def _read(key: Key, value: Any) -> ColumnElement[Any]:
    try:
        match key.kind, value:
            case Double(), int() | float() if not isinstance(value, bool):
                return literal(float(value), key.kind)
            case Integer(), 0 | 1 | 2:
                return literal(int(value), key.kind)
            case Numeric(), str() if (number := Decimal(value)).is_finite():
                return literal(number, key.kind)
            case DateTime(), str() if (moment := datetime.fromisoformat(value)).tzinfo is not None:
                return literal(moment, key.kind)
            case Text(), str():
                return literal(value, key.kind)
            case _:
                raise BadCursor(NOT_OURS)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise BadCursor(NOT_OURS) from error
