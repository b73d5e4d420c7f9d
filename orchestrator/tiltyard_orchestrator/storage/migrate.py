"""Bring the tables to this program's version, or say why not. Two gateways that try at once take turns."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

TURN = 8420_0001
"""The advisory lock under which migrations run."""


class NewerData(RuntimeError):
    """The database was written by a newer program than this one."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """Where the tables stand, and where this program wants them."""

    current: str | None
    head: str

    @property
    def upgraded(self) -> bool:
        """Whether the tables are as this program wants them."""
        return self.current == self.head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def read_version(url: str) -> Version:
    """Where the tables stand.

    Raises:
        NewerData: their version is one that this program does not know.
    """
    return await _connected(url, _version)


async def upgrade(url: str) -> Version:
    """Bring the tables to this program's version.

    Returns:
        Where they stood before.

    Raises:
        NewerData: they are ahead of it.
    """
    return await _connected(url, _upgrade)


async def _connected(url: str, run: Callable[[Connection], Version]) -> Version:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(run)
    finally:
        await engine.dispose()


def _version(connection: Connection) -> Version:
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    assert head is not None, "there is at least one migration"
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise NewerData(
            f"the database is at version {current}, which this program (at {head}) does not know: "
            "it was used by a newer Tiltyard. Start that one, or give this one another database."
        )
    return Version(current=current, head=head)


def _upgrade(connection: Connection) -> Version:
    connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})
    before = _version(connection)
    if not before.upgraded:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


def upgrade_now(url: str) -> Version:
    """`upgrade`, for callers that have no event loop."""
    return asyncio.run(upgrade(url))
