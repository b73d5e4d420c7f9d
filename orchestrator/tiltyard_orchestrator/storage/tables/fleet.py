"""Queues, the workers that serve them, and what jobs run in."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tiltyard.wire.workers import WorkerOrder, WorkerState
from tiltyard_orchestrator.storage.tables.base import NOW, Table, quoted


class QueueRow(Table, table=True):
    """A queue of jobs for the workers of one image."""

    __tablename__ = "queue"

    name: str = Field(primary_key=True, sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    paused: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class WorkerRow(Table, table=True):
    """A process that serves a queue, as it last said of itself."""

    __tablename__ = "worker"
    __table_args__ = (
        CheckConstraint(f"state IN ({quoted(set(WorkerState) - {'lost'})})", name="state"),
        CheckConstraint(f"told IN ({quoted(WorkerOrder)})", name="told"),
    )

    id: str = Field(primary_key=True, sa_type=Text)
    host: str = Field(sa_type=Text)
    queue: str = Field(foreign_key="queue.name", sa_type=Text)
    image: str = Field(default="", sa_type=Text)
    pid: int = Field(default=0, sa_type=BigInteger)
    incarnation: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": text("''")})
    state: str = Field(sa_type=Text)
    told: str | None = Field(default=None, sa_type=Text)
    """The order that is out to it."""
    fence: str = Field(default="", sa_type=Text)
    job_id: str | None = Field(default=None, sa_type=Text)
    versions: dict[str, str] = Field(default_factory=dict, sa_type=JSONB)
    packages: dict[str, str] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True)
    )
    modules: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))
    environment: str | None = Field(default=None, sa_type=Text)
    """The digest of what its jobs run in."""
    started_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    last_seen: datetime = Field(sa_column_kwargs={"server_default": NOW})


class EnvironmentRow(Table, table=True):
    """What jobs ran in, once for all of them: image, Python, packages, hardware. Known by the digest of its JSON."""

    __tablename__ = "environment"

    sha256: str = Field(primary_key=True, sa_type=Text)
    data: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
