"""What every table is made from: one metadata, one way to name constraints."""

from typing import Any

from sqlalchemy import (
    MetaData,
    text,
)
from sqlmodel import SQLModel

NOW = text("now()")
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(SQLModel):
    """The base of our tables; other SQLModel metadata in the process stays apart."""

    metadata = MetaData(naming_convention=NAMING)


def quoted(values: Any) -> str:
    """The values of an enumeration, as a CHECK constraint lists them."""
    return ", ".join(f"'{value}'" for value in sorted(values))
