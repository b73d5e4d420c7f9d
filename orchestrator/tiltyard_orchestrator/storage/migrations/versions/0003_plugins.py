"""Plugins and their versions, the versions that a job keeps, and what workers can import."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "plugin",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("current", sa.Text(), nullable=True),
        _moment("chosen_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_plugin")),
    )
    op.create_table(
        "plugin_version",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("deprecated", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("check_job", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("requires", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("tasks", postgresql.JSONB(), nullable=False),
        sa.Column(
            "artifact_types", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        _moment("created_at"),
        sa.CheckConstraint("state IN ('checking', 'ready', 'refused')", name=op.f("ck_plugin_version_state")),
        sa.CheckConstraint(
            "(state = 'refused') = (problem IS NOT NULL)", name=op.f("ck_plugin_version_problem")
        ),
        sa.ForeignKeyConstraint(
            ["plugin"], ["plugin.name"], name=op.f("fk_plugin_version_plugin"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plugin", "version", name=op.f("pk_plugin_version")),
    )
    op.create_index(
        "ix_plugin_version_checking",
        "plugin_version",
        ["plugin", "version"],
        unique=False,
        postgresql_where=sa.text("state = 'checking'"),
    )
    op.create_index("ix_plugin_version_sha256", "plugin_version", ["sha256"], unique=False)
    op.add_column("archive", _list("uses"))
    op.add_column("job", _list("plugins"))
    op.create_index(
        "ix_job_plugins",
        "job",
        ["plugins"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"plugins": "jsonb_path_ops"},
        postgresql_where=sa.text("finished_at IS NULL AND plugins <> '[]'"),
    )
    for name in ("packages", "modules"):
        op.add_column("worker", sa.Column(name, postgresql.JSONB(), nullable=True))
