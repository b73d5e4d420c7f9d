"""Alembic's environment: it runs on the connection it is given, inside that connection's transaction."""

from alembic import context

from tiltyard_orchestrator.storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
