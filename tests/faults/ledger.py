"""Reads the database itself: what it holds is what happened, whatever gateway and clients say."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import asyncpg

from tests.faults.background import Background

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A job that a worker holds."""

    job: str
    key: str
    worker: str
    epoch: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One event of a job, as it is stored."""

    seq: int
    at: datetime
    kind: str
    attempt: int
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All that is stored of a job."""

    id: str
    key: str
    row: dict[str, Any]
    events: list[Entry]
    artifacts: list[dict[str, Any]]


class Ledger:
    """Questions to the database, each on a connection of its own: any of them may be cut by a fault.

    Args:
        background: the loop that it asks on.
        url: the database.
    """

    def __init__(self, background: Background, url: str) -> None:
        self._background = background
        self._url = url

    def held(self) -> list[Held]:
        """The jobs that are held now."""
        rows = self._fetch(
            "SELECT id AS job, idempotency_key AS key, worker_id AS worker, epoch, attempt FROM job"
            " WHERE state = 'running' ORDER BY id"
        )
        return [Held(**row) for row in rows]

    def waiting(self) -> list[str]:
        """The jobs that wait for a worker."""
        return [row["id"] for row in self._fetch("SELECT id FROM job WHERE state = 'queued'")]

    def by_key(self, key: str) -> dict[str, Any] | None:
        """The job that was made by a submission, if it was."""
        rows = self._fetch("SELECT * FROM job WHERE idempotency_key = $1", key)
        return rows[0] if rows else None

    def job(self, job: str) -> dict[str, Any]:
        """A job's row."""
        return self._fetch("SELECT * FROM job WHERE id = $1", job)[0]

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return len(self._fetch("SELECT id FROM job WHERE finished_at IS NULL"))

    def ended_at(self, worker: str) -> list[str]:
        """The jobs that ended at a worker."""
        rows = self._fetch("SELECT id FROM job WHERE worker_id = $1 AND finished_at IS NOT NULL", worker)
        return [row["id"] for row in rows]

    def taken_by(self, worker: str, *, seconds: float) -> tuple[list[str], list[str]]:
        """The jobs that a worker claimed lately, and those of them that ever failed to start."""
        rows = self._fetch(
            "SELECT DISTINCT claimed.job_id, EXISTS (SELECT 1 FROM event AS failed WHERE failed.job_id = claimed.job_id"
            " AND failed.data->>'reason' = 'start_failed') AS failed FROM event AS claimed"
            " WHERE claimed.data->>'worker' = $1 AND claimed.at > now() - make_interval(secs => $2)",
            worker,
            seconds,
        )
        return [row["job_id"] for row in rows], [row["job_id"] for row in rows if row["failed"]]

    def written(self) -> int:
        """How many events there are."""
        return int(self._fetch("SELECT count(*) AS count FROM event")[0]["count"])

    def everything(self) -> list[Recorded]:
        """All jobs with all their events and artifacts."""
        jobs = self._fetch("SELECT * FROM job ORDER BY created_at, id")
        events = self._fetch("SELECT job_id, seq, at, kind, attempt, data FROM event ORDER BY job_id, seq")
        artifacts = self._fetch("SELECT * FROM artifact")
        return [
            Recorded(
                id=row["id"],
                key=row["idempotency_key"] or "",
                row=row,
                events=[_entry(event) for event in events if event["job_id"] == row["id"]],
                artifacts=[one for one in artifacts if one["job_id"] == row["id"]],
            )
            for row in jobs
        ]

    def do(self, *statements: str) -> None:
        """Change the database itself, as a fault of it."""
        for statement in statements:
            self._fetch(statement)

    def answers(self) -> bool:
        """Whether the database can be asked."""
        try:
            self._fetch("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        return True

    def _fetch(self, statement: str, *values: object) -> list[dict[str, Any]]:
        async def ask(connection: Any) -> list[dict[str, Any]]:
            return [dict(row) for row in await connection.fetch(statement, *values)]

        return self._background.run(self._connected(ask))

    async def _connected(self, work: Callable[[Any], Awaitable[Answer]]) -> Answer:
        connection = await asyncio.wait_for(asyncpg.connect(self._url, timeout=10), 15)
        try:
            return await work(connection)
        finally:
            await connection.close()


def _entry(row: dict[str, Any]) -> Entry:
    data = row["data"]
    return Entry(
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        attempt=row["attempt"],
        data=json.loads(data) if isinstance(data, str) else data,
    )
