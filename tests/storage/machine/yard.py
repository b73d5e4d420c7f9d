"""A migrated database that many short lives are played on, one after the other, from code that is not asynchronous."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import asyncpg
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession

from tests.storage.conftest import DIGEST
from tiltyard.wire import Archive, EntryPoint
from tiltyard_orchestrator.storage.archives import put_archive
from tiltyard_orchestrator.storage.database import Database

P = ParamSpec("P")
R = TypeVar("R")
Row = Mapping[str, Any]
Everything = tuple[dict[str, Row], dict[str, list[Row]]]
EVERYTHING = """
SELECT (SELECT coalesce(jsonb_object_agg(id, to_jsonb(job) || jsonb_build_object(
                   'due', coalesce(dispatch_at <= now(), false),
                   'pausing', coalesce(ready_at > now(), false),
                   'late', coalesce(lease_until < now(), false),
                   'overdue', coalesce(queued_until < now(), false))), '{}') FROM job)::text,
       (SELECT coalesce(jsonb_agg(to_jsonb(event) ORDER BY job_id, seq), '[]') FROM event)::text
"""


async def connect(url: URL) -> asyncpg.Connection:
    """A connection that knows nothing of the product."""
    return await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )


class Yard:
    """One loop, one database, the product's pool of connections and one connection of our own beside it."""

    def __init__(self, url: URL) -> None:
        self._runner = asyncio.Runner()
        self._database = Database(url.render_as_string(hide_password=False), pool_size=1)
        self._own: asyncpg.Connection = self._runner.run(connect(url))

    def __enter__(self) -> Self:
        archive = Archive(
            sha256=DIGEST,
            size=10,
            format="tar.gz",
            files=1,
            entry_points=[EntryPoint(name="main", command="python attack.py --eps {eps}")],
            created_at="2026-01-01T00:00:00Z",
        )
        self.call(put_archive, archive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._own.close())
        self._runner.run(self._database.dispose())
        self._runner.close()

    def call(
        self,
        verb: Callable[Concatenate[AsyncSession, P], Awaitable[R]],
        *args: P.args,
        **named: P.kwargs,
    ) -> R:
        """One verb in a transaction of its own."""

        async def once() -> R:
            async with self._database.transaction() as session:
                return await verb(session, *args, **named)

        return self._runner.run(once())

    def run(self, statement: str, *values: Any) -> None:
        """One statement that no verb makes: what time does."""
        self._runner.run(self._own.execute(statement, *values))

    def clear(self) -> None:
        """Begin anew."""
        self.run(
            "DELETE FROM event; DELETE FROM sweep; DELETE FROM job; UPDATE queue SET paused = false WHERE paused"
        )

    def look_at_cells(self) -> dict[str, list[tuple[str, str | None, bool]]]:
        """The digest and the job of every cell, and whether it was known, by sweep."""
        cells: dict[str, list[tuple[str, str | None, bool]]] = {}
        for row in self._runner.run(self._own.fetch("SELECT * FROM cell ORDER BY sweep_id, number")):
            cells.setdefault(row["sweep_id"], []).append((row["digest"], row["job_id"], row["reused"]))
        return cells

    def look(self) -> Everything:
        """Every row of every job, and every history."""
        return told(*self._runner.run(self._own.fetchrow(EVERYTHING)))


def told(jobs: str, events: str) -> Everything:
    """Rows and histories by job, from what the database says."""
    rows: dict[str, Row] = json.loads(jobs)
    histories: dict[str, list[Row]] = {job: [] for job in rows}
    for event in json.loads(events):
        histories[event["job_id"]].append(event)
    return rows, histories
