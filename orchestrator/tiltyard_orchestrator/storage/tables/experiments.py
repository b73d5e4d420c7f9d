"""Experiments, and what MLflow has yet to be told of those that are gone."""

from datetime import datetime

from sqlalchemy import (
    Text,
)
from sqlmodel import Field

from tiltyard_orchestrator.storage.tables.base import NOW, Table


class ExperimentRow(Table, table=True):
    """A named collection of related jobs."""

    __tablename__ = "experiment"

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    mlflow_experiment_id: str | None = Field(default=None, sa_type=Text)
    mlflow_name: str | None = Field(default=None, sa_type=Text)
    """What MLflow calls it, as far as it was told."""
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class MlflowRemovalRow(Table, table=True):
    """An experiment that is gone here, and that MLflow has yet to be told of."""

    __tablename__ = "mlflow_removal"

    mlflow_experiment_id: str = Field(primary_key=True, sa_type=Text)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
