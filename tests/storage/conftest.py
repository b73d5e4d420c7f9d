"""A job to move about."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tiltyard.wire import Archive, EntryPoint, Job
from tiltyard_orchestrator.storage.archives import put_archive
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.claim import Claimed, claim
from tiltyard_orchestrator.storage.jobs.submit import NewJob, submit

DIGEST = "a" * 64
Submit = Callable[..., Awaitable[Job]]
Claim = Callable[..., Awaitable[Claimed]]


def new_job(**changes: Any) -> NewJob:
    return NewJob(
        **{
            "experiment": "digits",
            "archive": DIGEST,
            "entry_point": "main",
            "parameters": {"eps": 0.1},
            "command": "python attack.py --eps 0.1",
            "queue": "cpu",
            "timeout": None,
            "max_attempts": 3,
        }
        | changes
    )


@pytest.fixture
async def submitted(database: Database) -> Submit:
    """Submit a job: `await submitted(queue="cpu")`."""
    async with database.transaction() as session:
        await put_archive(
            session,
            Archive(
                sha256=DIGEST,
                size=10,
                format="tar.gz",
                files=1,
                entry_points=[EntryPoint(name="main", command="python attack.py --eps {eps}")],
                created_at="2026-01-01T00:00:00Z",
            ),
        )

    async def make(**changes: Any) -> Job:
        async with database.transaction() as session:
            made = await submit(session, new_job(**changes))
        assert isinstance(made, tuple)
        return made[0]

    return make


@pytest.fixture
def claimed(database: Database) -> Claim:
    """Claim a job: `await claimed(job.id)`."""

    async def take(job: str, *, lease_seconds: float = 60, worker: str = "w1") -> Claimed:
        async with database.transaction() as session:
            got = await claim(
                session,
                worker=worker,
                queue="cpu",
                token_sha256=secrets.token_hex(32),
                lease_seconds=lease_seconds,
            )
        assert isinstance(got, Claimed), got
        assert got.job == job, "another job's turn is before it"
        return got

    return take
