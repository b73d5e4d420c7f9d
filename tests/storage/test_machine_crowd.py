"""A crowd on one database at the same time. What comes out is different each time, and what holds of it is not."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tests.storage.conftest import Submit
from tests.storage.machine.crowd import Crowd
from tests.storage.machine.lives import is_sound
from tests.storage.machine.promise import FINAL
from tests.storage.machine.yard import EVERYTHING, Everything, told
from tiltyard.wire import JobState
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs import claim, finish, release, report
from tiltyard_orchestrator.storage.tables import JobRow

TURNS = 15


@pytest.fixture
async def wide(database_url: str, submitted: Submit) -> AsyncIterator[Database]:
    """A database with a connection for everybody."""
    pool = Database(database_url, pool_size=16)
    yield pool
    await pool.dispose()


async def everything(session: AsyncSession) -> Everything:
    return told(*(await session.execute(text(EVERYTHING))).one())


async def look(crowd: Crowd) -> None:
    rows, histories = await crowd.call(everything)
    assert rows.keys() == set(crowd.jobs)
    for job, row in rows.items():
        is_sound(row, histories[job])
        assert row["state"] in FINAL, "the crowd has gone home"
        assert len(crowd.ends[job]) <= 1, "one attempt was told that it ended the job"
        assert {state for _, state in crowd.ends[job]} <= {row["state"]}


async def play(wide: Database, seed: int) -> None:
    crowd = Crowd(wide, seed)
    await crowd.gather(turns=TURNS)
    await crowd.go_home()
    await look(crowd)


@pytest.mark.parametrize("seed", range(3))
async def test_of_a_crowd_every_job_comes_to_one_end(wide: Database, seed: int) -> None:
    await play(wide, seed)


async def unlocked_attempt(session: AsyncSession, job: str, epoch: int) -> JobRow | None:
    row = await session.get(JobRow, job)
    return row if row is not None and (row.epoch, row.state) == (epoch, JobState.running) else None


async def unlocked_next(session: AsyncSession, queue: str) -> JobRow | None:
    queued = select(JobRow).where(col(JobRow.queue) == queue, col(JobRow.state) == JobState.queued)
    return (await session.scalars(queued.order_by(col(JobRow.turn_at)).limit(1))).one_or_none()


@pytest.mark.parametrize("name", ["claims", "calls of attempts"])
async def test_a_crowd_finds_what_takes_no_lock(
    wide: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "claims":
        monkeypatch.setattr(claim, "_next", unlocked_next)
    else:
        for module in (report, finish, release):
            monkeypatch.setattr(module, "lock_attempt", unlocked_attempt)
    with pytest.raises((ExceptionGroup, AssertionError, IntegrityError)):
        await play(wide, 0)
