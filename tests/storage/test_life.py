"""The life of a job around its attempts: waiting, turns, pauses, queue time-outs, on a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.storage.conftest import Claim, Submit, new_job
from tiltyard.wire import Condition, Dependency, Failure, Finish, Job, JobState, QueuePatch, Reason
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.cancel_many import cancel_some, count_alive
from tiltyard_orchestrator.storage.jobs.claim import Claimed, NothingToClaim, claim
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.overdue import end_overdue
from tiltyard_orchestrator.storage.jobs.read import JobFilter, get_job
from tiltyard_orchestrator.storage.jobs.settle import decided, settle
from tiltyard_orchestrator.storage.jobs.stories import read_stories
from tiltyard_orchestrator.storage.jobs.submit import UnknownJobs, submit
from tiltyard_orchestrator.storage.queues import patch_queue

SOON = timedelta(hours=1)
End = Callable[..., Awaitable[None]]


@pytest.fixture
def ended(database: Database, claimed: Claim) -> End:
    """Run a job to its end: `await ended(job.id, JobState.failed)`."""

    async def end(job: str, state: JobState = JobState.succeeded, reason: Reason | None = None) -> None:
        held = await claimed(job)
        async with database.transaction() as session:
            result = Finish(first=0, state=state, reason=reason)
            await finish(session, job=job, epoch=held.epoch, result=result, backoff=Backoff(first=100))

    return end


async def now_is(database: Database, job: str) -> Job:
    async with database.transaction() as session:
        found = await get_job(session, job)
    assert found is not None
    return found


async def settled(database: Database, *ended: str) -> list[str]:
    async with database.transaction() as session:
        over = ended or await decided(session)
        return [*await settle(session, ended=over), *await settle(session)]


async def test_a_job_waits_for_another_and_is_queued_when_that_has_ended(
    database: Database, submitted: Submit, ended: End
) -> None:
    first = await submitted()
    second = await submitted(after=[Dependency(job=first.id)])
    assert second.state is JobState.waiting
    assert await settled(database) == []
    await ended(first.id)
    assert await settled(database, first.id) == [second.id]
    assert (await now_is(database, second.id)).state is JobState.queued


@pytest.mark.parametrize(
    ("condition", "end", "state"),
    [
        (Condition.succeeded, JobState.failed, JobState.cancelled),
        (Condition.failed, JobState.failed, JobState.queued),
        (Condition.failed, JobState.succeeded, JobState.cancelled),
        (Condition.any, JobState.failed, JobState.queued),
    ],
)
async def test_how_another_job_ended_decides(
    database: Database, submitted: Submit, ended: End, condition: Condition, end: JobState, state: JobState
) -> None:
    first = await submitted()
    second = await submitted(after=[Dependency(job=first.id, condition=condition)])
    await ended(first.id, end, Reason.exit_code if end is JobState.failed else None)
    await settled(database)
    found = await now_is(database, second.id)
    assert found.state is state
    if state is JobState.cancelled:
        assert found.reason is Reason.dependency
        assert first.id in str(found.message)


async def test_a_row_of_jobs_falls_with_its_first(database: Database, submitted: Submit) -> None:
    row = [await submitted()]
    for _ in range(3):
        row.append(await submitted(after=[Dependency(job=row[-1].id)]))
    async with database.transaction() as session:
        await cancel(session, row[0].id)
    while await settled(database):
        pass
    assert {(await now_is(database, job.id)).state for job in row} == {JobState.cancelled}


async def test_a_job_that_waits_for_many_waits_for_the_last(
    database: Database, submitted: Submit, ended: End
) -> None:
    many = [await submitted() for _ in range(3)]
    last = await submitted(after=[Dependency(job=job.id) for job in many])
    for job in many:
        assert await settled(database) == []
        await ended(job.id)
    assert await settled(database, *(job.id for job in many)) == [last.id]


async def test_what_had_ended_before_is_not_waited_for(submitted: Submit, ended: End) -> None:
    first = await submitted()
    await ended(first.id)
    assert (await submitted(after=[Dependency(job=first.id)])).state is JobState.queued
    dead = await submitted(after=[Dependency(job=first.id, condition=Condition.failed)])
    assert (dead.state, dead.reason) == (JobState.cancelled, Reason.dependency)


async def test_a_job_that_nobody_submitted_can_not_be_waited_for(submitted: Submit) -> None:
    with pytest.raises(UnknownJobs, match="there is no job"):
        await submitted(after=[Dependency(job="f" * 20)])


async def test_a_job_that_waits_for_one_that_was_removed_ends(database: Database, submitted: Submit) -> None:
    first = await submitted()
    second = await submitted(after=[Dependency(job=first.id)])
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM job WHERE id = :job"), {"job": first.id})
    await settled(database)
    assert (await now_is(database, second.id)).state is JobState.cancelled


async def test_a_job_does_not_start_before_its_time(database: Database, submitted: Submit) -> None:
    later = await submitted(start_at=datetime.now(UTC) + SOON)
    assert await settled(database) == []
    async with database.transaction() as session:
        await session.execute(text("UPDATE job SET start_at = now()"))
    assert await settled(database) == [later.id]
    past = await submitted(start_at=datetime.now(UTC) - SOON)
    assert past.state is JobState.queued


async def test_a_waiting_job_is_cancelled_at_once(database: Database, submitted: Submit) -> None:
    later = await submitted(start_at=datetime.now(UTC) + SOON)
    async with database.transaction() as session:
        cancelled = await cancel(session, later.id)
    assert cancelled is not None
    assert cancelled.state is JobState.cancelled


async def test_two_keepers_settle_a_job_once(database: Database, submitted: Submit, ended: End) -> None:
    first = await submitted()
    waiting = [await submitted(after=[Dependency(job=first.id)]) for _ in range(5)]
    await ended(first.id)
    moved = await asyncio.gather(*(settled(database, first.id) for _ in range(4)))
    assert sorted(job for some in moved for job in some) == sorted(job.id for job in waiting)


async def test_the_higher_priority_goes_first_and_the_elder_among_equals(
    submitted: Submit, claimed: Claim
) -> None:
    low, one, other, high = [await submitted(priority=priority) for priority in (0, 5, 5, 9)]
    for expected in (high, one, other, low):
        await claimed(expected.id)


async def test_nobody_starves(database: Database, submitted: Submit, claimed: Claim) -> None:
    old = await submitted(priority=0)
    async with database.transaction() as session:
        await session.execute(text("UPDATE job SET turn_at = turn_at - interval '91 minutes'"))
    await submitted(priority=9)
    await claimed(old.id)


async def test_a_failure_is_tried_again_after_a_pause_when_that_was_asked_for(
    database: Database, submitted: Submit, ended: End
) -> None:
    job = await submitted(retry_on=(Failure.exit_code,))
    await ended(job.id, JobState.failed, Reason.exit_code)
    assert (await now_is(database, job.id)).state is JobState.queued
    async with database.transaction() as session:
        assert await dispatch(session, resend_seconds=30) == []
        nothing = await claim(session, worker="w", queue="cpu", token_sha256="t", lease_seconds=60)
    assert nothing == NothingToClaim(why="no job waits in the queue cpu")
    async with database.transaction() as session:
        await session.execute(text("UPDATE job SET ready_at = now(), dispatch_at = now()"))
        assert [due.job for due in await dispatch(session, resend_seconds=30)] == [job.id]


async def test_a_queue_that_is_resumed_ends_no_jobs_own_pause(
    database: Database, submitted: Submit, ended: End
) -> None:
    job = await submitted(retry_on=(Failure.exit_code,))
    await ended(job.id, JobState.failed, Reason.exit_code)
    async with database.transaction() as session:
        await patch_queue(session, "cpu", QueuePatch(paused=False), lost_after=60)
        assert await dispatch(session, resend_seconds=30) == [], "nobody could claim it"


async def test_a_job_that_kills_every_worker_starts_exactly_as_often_as_it_may(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted(max_attempts=3)
    for _ in range(3):
        await claimed(job.id, lease_seconds=-1)
        async with database.transaction() as session:
            await expire(session, backoff=Backoff(first=0))
    end = await now_is(database, job.id)
    assert (end.state, end.reason, end.attempt) == (JobState.failed, Reason.worker_lost, 3)
    async with database.transaction() as session:
        stories = await read_stories(session, job.id)
    assert [(story.attempt, story.outcome, story.reason) for story in stories] == [
        (attempt, "failed", Reason.worker_lost) for attempt in (1, 2, 3)
    ]


async def test_an_asked_for_end_is_not_forgotten_when_another_attempt_is_due(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    async with database.transaction() as session:
        await cancel(session, job.id)
    async with database.transaction() as session:
        result = Finish(first=0, state=JobState.failed, reason=Reason.start_failed)
        await finish(session, job=job.id, epoch=held.epoch, result=result, backoff=Backoff())
    assert (await now_is(database, job.id)).state is JobState.cancelled


async def test_a_job_that_nobody_takes_in_time_has_timed_out(database: Database, submitted: Submit) -> None:
    job = await submitted(queue_timeout=600)
    async with database.transaction() as session:
        assert await end_overdue(session) == []
        await session.execute(text("UPDATE job SET queued_until = now() - interval '1 second'"))
    async with database.transaction() as session:
        assert await end_overdue(session) == [job.id]
    end = await now_is(database, job.id)
    assert (end.state, end.reason) == (JobState.failed, Reason.timed_out)


async def test_a_job_that_started_is_not_overdue(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted(queue_timeout=0.001)
    await claimed(job.id)
    async with database.transaction() as session:
        assert await end_overdue(session) == []


async def test_many_jobs_are_counted_and_cancelled_by_a_filter(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    running = await submitted(tags=("old",))
    await claimed(running.id)
    queued = [await submitted(tags=("old",)) for _ in range(5)]
    other = await submitted()
    wanted = JobFilter(tag="old")
    async with database.transaction() as session:
        assert await count_alive(session, wanted) == 6
    met: list[str] = []
    asked: list[str] = []
    while True:
        async with database.transaction() as session:
            some, told = await cancel_some(session, wanted, after=max(met, default=""), limit=2)
        if not some:
            break
        met, asked = met + some, asked + told
    assert set(met) == {running.id, *(job.id for job in queued)}
    assert asked == [running.id]
    assert (await now_is(database, other.id)).state is JobState.queued


async def test_submissions_that_wait_for_a_job_do_not_keep_it_from_being_claimed(
    database: Database, submitted: Submit
) -> None:
    first = await submitted()
    async with database.transaction() as submitting:
        await submit(submitting, new_job(after=[Dependency(job=first.id)]))
        async with database.transaction() as session:
            assert [due.job for due in await dispatch(session, resend_seconds=30)] == [first.id]
        async with database.transaction() as session:
            got = await claim(session, worker="w", queue="cpu", token_sha256="t", lease_seconds=60)
        assert isinstance(got, Claimed)
        assert got.job == first.id
