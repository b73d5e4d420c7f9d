"""Plugins and their versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from tiltyard.wire.plugins import PluginState
from tiltyard_orchestrator.storage.tables.base import NOW, Table, quoted


class PluginRow(Table, table=True):
    """A plugin. Its row lock is what makes pushes, checks and the pointer take turns."""

    __tablename__ = "plugin"

    name: str = Field(primary_key=True, sa_type=Text)
    current: str | None = Field(default=None, sa_type=Text)
    """The version that new jobs get. It is ready: only `push`, `settle` and `activate` write it, under the row's lock."""
    chosen_at: datetime | None = None
    """When somebody chose another version than the newest; None while the newest is followed."""
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class PluginVersionRow(Table, table=True):
    """One version of a plugin and what was read in it; its bytes are in the store."""

    __tablename__ = "plugin_version"
    __table_args__ = (
        ForeignKeyConstraint(
            ["plugin"], ["plugin.name"], name="fk_plugin_version_plugin", ondelete="CASCADE"
        ),
        CheckConstraint(f"state IN ({quoted(PluginState)})", name="state"),
        # What is refused says why.
        CheckConstraint("(state = 'refused') = (problem IS NOT NULL)", name="problem"),
        Index("ix_plugin_version_checking", "plugin", "version", postgresql_where=text("state = 'checking'")),
        Index("ix_plugin_version_sha256", "sha256"),
    )

    plugin: str = Field(primary_key=True, sa_type=Text)
    version: str = Field(primary_key=True, sa_type=Text)
    number: int
    """Counts the plugin's pushes: the highest is the newest."""
    sha256: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    files: int
    state: str = Field(sa_type=Text)
    deprecated: str | None = Field(default=None, sa_type=Text)
    problem: str | None = Field(default=None, sa_type=Text)
    check_job: str | None = Field(default=None, sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    requires: list[str] = Field(sa_type=ARRAY(Text))
    tasks: list[dict[str, Any]] = Field(sa_type=JSONB)
    artifact_types: list[str] = Field(
        default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": text("'{}'")}
    )
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
