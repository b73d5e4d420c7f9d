"""Priorities, dependencies, start times, queue time-outs, retries by failure, orders to workers, and exported jobs."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

QUEUED = "state = 'queued'"
JOB_INDEXES = {
    "ix_job_turn": (["queue", "turn_at", "id"], QUEUED),
    "ix_job_overdue": (["queued_until"], f"{QUEUED} AND queued_until IS NOT NULL"),
    "ix_job_waiting": (["start_at"], "state = 'waiting'"),
    "ix_job_finished": (["finished_at"], "finished_at IS NOT NULL"),
}


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("queue_timeout", sa.Float(), nullable=True),
        sa.Column("progress_timeout", sa.Float(), nullable=True),
        sa.Column(
            "retry_on",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{worker_lost,start_failed}'"),
            nullable=False,
        ),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("5"), nullable=False),
        sa.Column("after", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        *map(_moment, ("start_at", "ready_at", "turn_at", "queued_until")),
    ]
    for column in columns:
        op.add_column("job", column)
    op.execute(
        "UPDATE job SET ready_at = least(dispatch_at, now()), turn_at = created_at - interval '50 minutes' "
        "WHERE state = 'queued'"
    )
    op.create_check_constraint(
        op.f("ck_job_ready"), "job", "state <> 'queued' OR (ready_at IS NOT NULL AND turn_at IS NOT NULL)"
    )
    op.create_check_constraint(op.f("ck_job_priority"), "job", "priority BETWEEN 0 AND 9")
    for name, (indexed, where) in JOB_INDEXES.items():
        op.create_index(name, "job", indexed, unique=False, postgresql_where=sa.text(where))
    op.create_index(
        "ix_job_token", "job", ["token_sha256"], unique=True, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "ix_job_after",
        "job",
        ["after"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.add_column("worker", sa.Column("incarnation", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("worker", sa.Column("told", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_worker_told"), "worker", "told IN ('drain', 'stop')")
    op.create_table(
        "exported_job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("entry_point", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exported_job")),
    )
    op.create_index("ix_exported_job_finished", "exported_job", ["finished_at", "id"], unique=False)
