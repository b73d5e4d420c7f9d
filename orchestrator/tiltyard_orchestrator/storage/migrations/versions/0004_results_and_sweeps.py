"""Metrics, environments, inputs, sweeps and their cells, and what MLflow has yet to be told."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WAITING_IN_LINE = "state = 'queued' AND NOT held"
IN_LINE = {"ix_job_due": ["dispatch_at"], "ix_job_turn": ["queue", "turn_at", "id"]}
NEW_INDEXES = {
    "ix_job_sweep": (["sweep_id", "created_at", "id"], "sweep_id IS NOT NULL"),
    "ix_job_held": (["sweep_id", "turn_at", "id"], "held"),
    "ix_job_digest": (["experiment_id", "digest"], "digest IS NOT NULL"),
}
# The metrics of jobs that were there before: the last value by step, of the newest attempt that told it. What is malformed
# stays an event, as `domain/metrics.py` has it.
FILL_METRICS = """
INSERT INTO metric (job_id, name, value, step, at, attempt)
SELECT DISTINCT ON (job_id, name) job_id, name, value, step, at, attempt
FROM (
    SELECT job_id, seq, at, attempt, data->>'name' AS name,
        CASE
            WHEN jsonb_typeof(data->'value') = 'number' THEN
                CASE WHEN abs((data->>'value')::numeric) < 1.7e308 THEN (data->>'value')::double precision END
            WHEN data->>'value' IN ('NaN', 'Infinity', '-Infinity') THEN (data->>'value')::double precision
        END AS value,
        CASE
            WHEN coalesce(jsonb_typeof(data->'step'), 'null') = 'null' THEN 0
            WHEN jsonb_typeof(data->'step') = 'number' THEN
                CASE WHEN (data->>'step')::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
                     AND (data->>'step')::numeric % 1 = 0 THEN (data->>'step')::numeric::bigint END
        END AS step
    FROM event
    WHERE kind = 'metric' AND jsonb_typeof(data->'name') = 'string'
) AS told
WHERE length(name) BETWEEN 1 AND 250 AND value IS NOT NULL AND step IS NOT NULL
ORDER BY job_id, name, attempt DESC, step DESC, seq DESC
"""


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False, now: bool = True) -> sa.Column[Any]:
    default = sa.text("now()") if now and not nullable else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)


def _belongs(table: str, column: str, to: str, *, on: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"), ondelete=on)


def upgrade() -> None:
    _change_jobs()
    op.add_column("worker", _text("environment", nullable=True))
    op.add_column("experiment", _text("mlflow_name", nullable=True))
    _make_results()
    _make_sweeps()
    op.execute(FILL_METRICS)


def _change_jobs() -> None:
    op.add_column("job", _list("inputs"))
    for name in ("digest", "sweep_id", "bundle", "environment"):
        op.add_column("job", _text(name, nullable=True))
    op.add_column("job", _flag("held"))
    op.create_check_constraint(op.f("ck_job_held"), "job", "NOT held OR state = 'queued'")
    for name, columns in IN_LINE.items():
        op.drop_index(name, table_name="job")
        op.create_index(name, "job", columns, unique=False, postgresql_where=sa.text(WAITING_IN_LINE))
    for name, (columns, where) in NEW_INDEXES.items():
        op.create_index(name, "job", columns, unique=False, postgresql_where=sa.text(where))


def _make_results() -> None:
    op.create_table(
        "metric",
        _text("job_id"),
        _text("name"),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        _moment("at"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        _belongs("metric", "job_id", "job.id"),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_metric")),
    )
    op.create_index("ix_metric_name", "metric", ["name", "value", "job_id"], unique=False)
    op.create_table(
        "posted_metric",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _text("job_id"),
        _text("name"),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        _moment("at"),
        _belongs("posted_metric", "job_id", "job.id"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_posted_metric")),
    )
    op.create_index("ix_posted_metric_job", "posted_metric", ["job_id", "name", "number"], unique=False)
    op.create_table(
        "environment",
        _text("sha256"),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_environment")),
    )
    op.create_table(
        "mlflow_removal",
        _text("mlflow_experiment_id"),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("mlflow_experiment_id", name=op.f("pk_mlflow_removal")),
    )
    op.create_table(
        "browser_session",
        _text("sha256"),
        _text("token_id"),
        _moment("expires_at", now=False),
        _belongs("browser_session", "token_id", "token.id"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_browser_session")),
    )
    op.create_table(
        "secret", _text("name"), _text("value"), sa.PrimaryKeyConstraint("name", name=op.f("pk_secret"))
    )


def _make_sweeps() -> None:
    op.create_table(
        "sweep",
        _text("id"),
        _text("experiment_id"),
        _text("mode"),
        sa.Column("axes", postgresql.JSONB(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("submission", postgresql.JSONB(), nullable=False),
        sa.Column("cells", sa.Integer(), nullable=False),
        sa.Column("max_parallel", sa.Integer(), nullable=True),
        _flag("paused"),
        _moment("cancelled_at", nullable=True),
        _text("description"),
        _list("tags"),
        _text("idempotency_key", nullable=True),
        _text("request_digest", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.CheckConstraint("mode IN ('grid', 'random', 'zip')", name=op.f("ck_sweep_mode")),
        sa.CheckConstraint("max_parallel > 0", name=op.f("ck_sweep_max_parallel")),
        _belongs("sweep", "experiment_id", "experiment.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweep")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_sweep_idempotency_key")),
    )
    op.create_index("ix_sweep_created", "sweep", ["created_at", "id"], unique=False)
    op.create_index("ix_sweep_experiment", "sweep", ["experiment_id", "created_at", "id"], unique=False)
    op.create_table(
        "cell",
        _text("sweep_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("digest"),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        _text("job_id", nullable=True),
        _flag("reused"),
        _belongs("cell", "sweep_id", "sweep.id"),
        _belongs("cell", "job_id", "job.id", on="SET NULL"),
        sa.PrimaryKeyConstraint("sweep_id", "number", name=op.f("pk_cell")),
    )
    op.create_index("ix_cell_job", "cell", ["job_id"], unique=False)
