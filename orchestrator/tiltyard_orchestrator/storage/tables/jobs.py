"""Jobs, with what they are made of and what they leave: archives, events, artifacts, exports."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import FINAL_STATES, RETRIED_BY_DEFAULT, JobState
from tiltyard_orchestrator.storage.tables.base import NOW, Table, quoted


class ArchiveRow(Table, table=True):
    """An uploaded archive and what was read in it; its bytes are in the store."""

    __tablename__ = "archive"

    sha256: str = Field(primary_key=True, sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    format: str = Field(sa_type=Text)
    files: int
    project: str = Field(default="", sa_type=Text)
    name: str = Field(default="", sa_type=Text)
    entry_points: list[dict[str, Any]] = Field(sa_type=JSONB)
    uses: list[str] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class JobRow(Table, table=True):
    """One submission: what to run, where it stands, and who may write to it."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(f"state IN ({quoted(JobState)})", name="state"),
        # A job has ended exactly when it has an end.
        CheckConstraint(f"(state IN ({quoted(FINAL_STATES)})) = (finished_at IS NOT NULL)", name="ended"),
        # A lease belongs to a running attempt and to nothing else.
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="leased"),
        # What is held back is in its queue, and not due.
        CheckConstraint("NOT held OR state = 'queued'", name="held"),
        # Only a queued job is due to be published.
        CheckConstraint("(state = 'queued') = (dispatch_at IS NOT NULL)", name="due"),
        CheckConstraint("state <> 'queued' OR (ready_at IS NOT NULL AND turn_at IS NOT NULL)", name="ready"),
        CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        CheckConstraint("attempt BETWEEN 0 AND max_attempts", name="attempts"),
        # The keeper's two questions, each answered by a small index that forgets ended jobs.
        Index("ix_job_due", "dispatch_at", postgresql_where=text("state = 'queued' AND NOT held")),
        Index("ix_job_lease", "lease_until", postgresql_where=text("state = 'running'")),
        # A claim takes the first of its queue.
        Index(
            "ix_job_turn", "queue", "turn_at", "id", postgresql_where=text("state = 'queued' AND NOT held")
        ),
        # One running attempt has a token: the claim that is asked again finds it.
        Index("ix_job_token", "token_sha256", unique=True, postgresql_where=text("state = 'running'")),
        Index(
            "ix_job_overdue",
            "queued_until",
            postgresql_where=text("state = 'queued' AND queued_until IS NOT NULL"),
        ),
        Index("ix_job_waiting", "start_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_job_after", "after", postgresql_using="gin", postgresql_where=text("state = 'waiting'")),
        Index("ix_job_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        # Lists are read newest first, by keyset.
        Index("ix_job_created", "created_at", "id"),
        Index("ix_job_experiment", "experiment_id", "created_at", "id"),
        Index("ix_job_queue_state", "queue", "state"),
        Index("ix_job_tags", "tags", postgresql_using="gin"),
        Index("ix_job_sweep", "sweep_id", "created_at", "id", postgresql_where=text("sweep_id IS NOT NULL")),
        # What is held back, sweep by sweep, in the order in which it goes on.
        Index("ix_job_held", "sweep_id", "turn_at", "id", postgresql_where=text("held")),
        # Who submits a sweep asks what has been run already.
        Index("ix_job_digest", "experiment_id", "digest", postgresql_where=text("digest IS NOT NULL")),
        # Who deletes a version asks for the jobs that still need it.
        Index(
            "ix_job_plugins",
            "plugins",
            postgresql_using="gin",
            postgresql_ops={"plugins": "jsonb_path_ops"},
            postgresql_where=text("finished_at IS NULL AND plugins <> '[]'"),
        ),
    )

    id: str = Field(primary_key=True, sa_type=Text)
    experiment_id: str = Field(foreign_key="experiment.id", sa_type=Text)
    archive: str = Field(foreign_key="archive.sha256", sa_type=Text)
    entry_point: str = Field(sa_type=Text)
    parameters: dict[str, Any] = Field(sa_type=JSONB)
    command: str = Field(sa_type=Text)
    queue: str = Field(foreign_key="queue.name", sa_type=Text)
    timeout: float | None = None
    queue_timeout: float | None = None
    progress_timeout: float | None = None
    retry_on: list[str] = Field(
        default_factory=lambda: [str(failure) for failure in RETRIED_BY_DEFAULT],
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{worker_lost,start_failed}'")},
    )
    priority: int = Field(default=5, sa_type=SmallInteger, sa_column_kwargs={"server_default": text("5")})
    after: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    """`[{"job": …, "condition": …}]`, written once."""
    start_at: datetime | None = None
    plugins: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    """`[{"name": …, "version": …, "sha256": …}]`, written once."""
    inputs: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    """What its inputs were, with their digests, written at each claim."""
    digest: str | None = Field(default=None, sa_type=Text)
    """Of all that determines what it comes to; None: of a job that no sweep may take for its own."""
    sweep_id: str | None = Field(default=None, sa_type=Text)
    """The sweep that made it. It may be gone: a job that has ended does not change, and so names it for ever."""
    bundle: str | None = Field(default=None, sa_type=Text)
    """The digest of the bundle that brought it from another testbed, where it ran."""
    parent_id: str | None = Field(default=None, sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    tags: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    idempotency_key: str | None = Field(default=None, sa_type=Text, unique=True)
    request_digest: str | None = Field(default=None, sa_type=Text)

    state: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    message: str | None = Field(default=None, sa_type=Text)
    attempt: int = 0
    max_attempts: int
    epoch: int = 0
    """Counts everyone who ever held the job; a write that names another epoch is refused."""
    seq: int = Field(default=0, sa_type=BigInteger)
    """The `seq` of the newest event."""
    reported: int = Field(default=0, sa_type=BigInteger)
    """How many of its own events the running attempt has delivered: what makes a repeated report harmless."""
    cancel_requested: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    token_sha256: str | None = Field(default=None, sa_type=Text)
    worker_id: str | None = Field(default=None, sa_type=Text)
    finished_epoch: int | None = None
    """The epoch whose finish was recorded: a repeated finish is answered, not refused."""
    mlflow_run_id: str | None = Field(default=None, sa_type=Text)
    environment: str | None = Field(default=None, sa_type=Text)
    """The digest of what its newest attempt ran in."""

    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    dispatch_at: datetime | None = None
    """When its bell is to be rung, again or for the first time."""
    held: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Queued, and kept from being rung for and claimed: its sweep is paused, or has as many running as it may."""
    ready_at: datetime | None = None
    """When it came to its queue, or comes to it after a pause: it can not be claimed before."""
    turn_at: datetime | None = None
    """Its place in the queue, which it keeps from attempt to attempt: the earliest is next (see domain/turn.py)."""
    queued_until: datetime | None = None
    """When it has waited in its queue for too long."""
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class EventRow(Table, table=True):
    """One row of a job's history."""

    __tablename__ = "event"
    __table_args__ = (CheckConstraint(f"kind IN ({quoted(EventKind)})", name="kind"),)

    job_id: str = Field(sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    kind: str = Field(sa_type=Text)
    attempt: int
    data: dict[str, Any] = Field(sa_type=JSONB)


class ArtifactRow(Table, table=True):
    """A file an attempt produced; its bytes are in the store under `{job}/{epoch}/{path}`."""

    __tablename__ = "artifact"

    job_id: str = Field(sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    epoch: int = Field(primary_key=True)
    path: str = Field(primary_key=True, sa_type=Text)
    attempt: int
    size: int = Field(sa_type=BigInteger)
    sha256: str = Field(sa_type=Text)
    media_type: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class ExportedJobRow(Table, table=True):
    """A job that left the tables with its history: what it was, and the record of it in the store."""

    __tablename__ = "exported_job"
    __table_args__ = (Index("ix_exported_job_finished", "finished_at", "id"),)

    id: str = Field(primary_key=True, sa_type=Text)
    experiment: str = Field(sa_type=Text)
    entry_point: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    created_at: datetime
    finished_at: datetime
    exported_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    events: int = Field(sa_type=BigInteger)
    size: int = Field(sa_type=BigInteger)
    sha256: str = Field(sa_type=Text)
