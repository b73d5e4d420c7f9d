"""The connection to PostgreSQL. One request is one transaction, committed where it is opened; nothing else commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

UNAVAILABLE = (OperationalError, InterfaceError, OSError, TimeoutError)
"""What a database that is away raises; `is_unavailable` tells the rest."""


class Database:
    """A pool of connections.

    Args:
        url: `postgresql+asyncpg://…`.
        pool_size: connections kept; who finds all of them in use waits for one.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={
                "timeout": 10,
                "command_timeout": 30,
                # A gateway that was frozen inside a transaction must not hold a job's row lock against the others.
                "server_settings": {
                    "application_name": "tiltyard",
                    "idle_in_transaction_session_timeout": "30s",
                    "lock_timeout": "20s",
                    # Our statements are short: compiling them would take longer than running them.
                    "jit": "off",
                },
            },
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction; it is committed at the end of the block, or rolled back when the block raises."""
        async with self._sessions.begin() as session:
            yield session

    async def ready(self) -> bool:
        """Whether a statement can be run now."""
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (DBAPIError, *UNAVAILABLE):
            return False
        return True

    async def dispose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that the database is away, and not that the statement was wrong."""
    if isinstance(error, DBAPIError):
        # asyncpg's own errors for a server that shuts down or starts up arrive as plain DBAPIErrors.
        state = getattr(error.orig, "sqlstate", None)
        return (
            error.connection_invalidated
            or isinstance(error, UNAVAILABLE)
            or str(state)[:2] in {"08", "57", "53"}
        )
    return isinstance(error, UNAVAILABLE)
