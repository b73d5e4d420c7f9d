"""Metrics, as jobs told them and as others posted them."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Text,
)
from sqlmodel import Field

from tiltyard_orchestrator.storage.tables.base import NOW, Table


class MetricRow(Table, table=True):
    """A metric as it stands: its last value by step, of the newest attempt that told it, or of whoever posted it."""

    __tablename__ = "metric"
    # Results are sorted by a metric.
    __table_args__ = (Index("ix_metric_name", "name", "value", "job_id"),)

    job_id: str = Field(sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    name: str = Field(primary_key=True, sa_type=Text)
    value: float = Field(sa_type=Double)
    """NaN and the infinities are values like others."""
    step: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    attempt: int
    """The attempt that told it; 0 for one that was posted."""


class PostedMetricRow(Table, table=True):
    """A value that somebody other than the job recorded for it. Values that the job told are its events."""

    __tablename__ = "posted_metric"
    __table_args__ = (Index("ix_posted_metric_job", "job_id", "name", "number"),)

    number: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    job_id: str = Field(sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False))
    name: str = Field(sa_type=Text)
    value: float = Field(sa_type=Double)
    step: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_column_kwargs={"server_default": NOW})
