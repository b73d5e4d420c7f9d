"""The tables of sweeps: what was asked for, and its cells."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tiltyard_orchestrator.storage.tables.base import NOW, Table


class SweepRow(Table, table=True):
    """Many jobs as one thing. Its row lock is what makes pausing, resuming, cancelling and letting cells go take turns."""

    __tablename__ = "sweep"
    __table_args__ = (
        CheckConstraint("mode IN ('grid', 'random', 'zip')", name="mode"),
        CheckConstraint("max_parallel > 0", name="max_parallel"),
        Index("ix_sweep_created", "created_at", "id"),
        Index("ix_sweep_experiment", "experiment_id", "created_at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=Text)
    experiment_id: str = Field(
        sa_column=Column(Text, ForeignKey("experiment.id", ondelete="CASCADE"), nullable=False)
    )
    mode: str = Field(sa_type=Text)
    axes: list[dict[str, Any]] = Field(sa_type=JSONB)
    """`[{"parameter": …, "values": […]}]`, in the order in which they were given."""
    seed: int | None = Field(default=None, sa_type=BigInteger)
    submission: dict[str, Any] = Field(sa_type=JSONB)
    """What every cell has in common, as it was asked for."""
    cells: int
    max_parallel: int | None = None
    paused: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    cancelled_at: datetime | None = None
    description: str = Field(default="", sa_type=Text)
    tags: list[str] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    idempotency_key: str | None = Field(default=None, sa_type=Text, unique=True)
    request_digest: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class CellRow(Table, table=True):
    """One choice of values, and the job that runs it or ran it: one of this sweep, or one that was there before."""

    __tablename__ = "cell"
    __table_args__ = (Index("ix_cell_job", "job_id"),)

    sweep_id: str = Field(
        sa_column=Column(Text, ForeignKey("sweep.id", ondelete="CASCADE"), primary_key=True)
    )
    number: int = Field(primary_key=True)
    """Counts from 0, in the order of the axes: the last one moves fastest."""
    digest: str = Field(sa_type=Text)
    values: dict[str, Any] = Field(sa_type=JSONB)
    """Of the axes alone."""
    job_id: str | None = Field(
        default=None, sa_column=Column(Text, ForeignKey("job.id", ondelete="SET NULL"), nullable=True)
    )
    """None: its job was exported or removed."""
    reused: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether the job was there before the sweep."""
