"""The columns of a whole table of results: which parameters and metrics its jobs have, and of what kind each parameter is.

A table is written from its first row on, and so asks before it reads.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Numeric, and_, case, cast, column, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text
from sqlmodel import col

from tiltyard_orchestrator.storage.results.names import metric_names
from tiltyard_orchestrator.storage.tables import JobRow

ParameterKind = Literal["boolean", "integer", "number", "text"]
_WIDEST = 2**63


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table of results."""

    parameters: dict[str, ParameterKind]
    """By name; `text` where the jobs have values of several kinds."""
    metrics: list[str]
    at: datetime
    """The moment this is true of: a job that comes after it may have others."""


async def columns_of(session: AsyncSession, *wanted: ColumnElement[bool]) -> Columns:
    """The columns that the results of the wanted jobs have."""
    each = (
        func.jsonb_each(col(JobRow.parameters))
        .table_valued(column("key", Text), column("value", JSONB))
        .render_derived()
    )
    kind = func.jsonb_typeof(each.c.value)
    number = case((kind == "number", cast(each.c.value, Numeric)))
    whole = and_(
        kind == "number",
        func.scale(number) == 0,
        number >= literal(-_WIDEST, Numeric()),
        number < literal(_WIDEST, Numeric()),
    )
    found = await session.execute(
        select(
            each.c.key,
            func.bool_and(or_(kind == "boolean", kind == "null")).label("boolean"),
            func.bool_and(or_(whole, kind == "null")).label("integer"),
            func.bool_and(or_(kind == "number", kind == "null")).label("number"),
        )
        .select_from(JobRow)
        .join(each, true())
        .where(*wanted)
        .group_by(each.c.key)
        .order_by(each.c.key)
    )
    parameters: dict[str, ParameterKind] = {row.key: _kind(row) for row in found}
    at = (await session.execute(select(func.now()))).scalar_one()
    return Columns(parameters=parameters, metrics=await metric_names(session, *wanted), at=at)


def _kind(row: Any) -> ParameterKind:
    return "boolean" if row.boolean else "integer" if row.integer else "number" if row.number else "text"
