"""The protocol's verbs, on a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.storage.conftest import Claim, Submit, new_job
from tiltyard.wire import EventKind, Finish, JobState, QueuePatch, Reason, Report, Reported
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.claim import Claimed, NothingToClaim, claim
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.events import read_events
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.moves import lock
from tiltyard_orchestrator.storage.jobs.read import get_job
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.report import ReportGap, report
from tiltyard_orchestrator.storage.jobs.submit import KeyReused, submit
from tiltyard_orchestrator.storage.queues import patch_queue

AT_ONCE = Backoff(first=0)
SUCCEEDED = Finish(first=0, state=JobState.succeeded)


def line(number: int) -> Reported:
    return Reported(
        at=datetime.now(UTC), kind=EventKind.log, data={"stream": "stdout", "text": f"line {number}\n"}
    )


async def history(database: Database, job: str) -> list[Any]:
    async with database.transaction() as session:
        return await read_events(session, job, after=-1, limit=1000)


async def states(database: Database, job: str) -> list[str]:
    return [event.data["state"] for event in await history(database, job) if event.kind is EventKind.state]


async def now_is(database: Database, job: str) -> Any:
    async with database.transaction() as session:
        return await get_job(session, job)


async def test_a_submitted_job_is_queued_and_its_history_begins_at_0(
    database: Database, submitted: Submit
) -> None:
    job = await submitted()
    assert (job.state, job.attempt, job.seq) == (JobState.queued, 0, 0)
    assert [(event.seq, event.data) for event in await history(database, job.id)] == [
        (0, {"state": "queued"})
    ]


async def test_the_same_key_and_request_give_the_same_job_however_many_ask_at_once(
    database: Database, submitted: Submit
) -> None:
    await submitted()

    async def once() -> Any:
        async with database.transaction() as session:
            return await submit(session, new_job(idempotency_key="k", request_digest="d"))

    answers = await asyncio.gather(*(once() for _ in range(30)))
    assert len({job.id for job, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1


async def test_a_key_used_for_another_request_is_refused(database: Database, submitted: Submit) -> None:
    first = await submitted(idempotency_key="k", request_digest="d")
    async with database.transaction() as session:
        assert await submit(session, new_job(idempotency_key="k", request_digest="e")) == KeyReused(
            job=first.id
        )


async def test_a_job_is_due_at_once_and_then_again_only_after_the_resend_interval(
    database: Database, submitted: Submit
) -> None:
    job = await submitted()
    async with database.transaction() as session:
        assert [due.job for due in await dispatch(session, resend_seconds=30)] == [job.id]
    async with database.transaction() as session:
        assert await dispatch(session, resend_seconds=30) == []


async def test_a_job_that_nobody_claims_is_rung_for_again(database: Database, submitted: Submit) -> None:
    job = await submitted()
    for _ in range(3):
        async with database.transaction() as session:
            assert [due.job for due in await dispatch(session, resend_seconds=0)] == [job.id]


async def test_two_keepers_never_take_the_same_due_job(database: Database, submitted: Submit) -> None:
    jobs = {(await submitted()).id for _ in range(20)}
    async with database.transaction() as one, database.transaction() as other:
        mine = await dispatch(one, resend_seconds=30, limit=10)
        theirs = await dispatch(other, resend_seconds=30, limit=20)
    assert {due.job for due in mine} | {due.job for due in theirs} == jobs
    assert not {due.job for due in mine} & {due.job for due in theirs}


async def test_of_many_claims_one_wins(database: Database, submitted: Submit) -> None:
    await submitted()

    async def once(worker: int) -> Any:
        async with database.transaction() as session:
            return await claim(
                session, worker=f"w{worker}", queue="cpu", token_sha256=f"t{worker}", lease_seconds=60
            )

    answers = await asyncio.gather(*(once(worker) for worker in range(20)))
    winners = [answer for answer in answers if isinstance(answer, Claimed)]
    assert [(won.epoch, won.attempt) for won in winners] == [(1, 1)]
    others = [answer for answer in answers if isinstance(answer, NothingToClaim)]
    assert len(others) == 19
    assert {answer.why for answer in others} == {"no job waits in the queue cpu"}


async def test_a_claim_waits_for_no_job_that_somebody_has_locked(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    first, second = await submitted(), await submitted()
    async with asyncio.timeout(10), database.transaction() as other:
        await lock(other, first.id)
        await claimed(second.id)
        async with database.transaction() as session:
            got = await claim(session, worker="w", queue="cpu", token_sha256="t", lease_seconds=60)
        assert isinstance(got, NothingToClaim)
    await claimed(first.id)


async def test_a_worker_of_another_queue_is_refused(database: Database, submitted: Submit) -> None:
    await submitted()
    async with database.transaction() as session:
        got = await claim(session, worker="w", queue="pytorch", token_sha256="t", lease_seconds=60)
    assert got == NothingToClaim(why="no job waits in the queue pytorch")


async def test_a_paused_queue_takes_submissions_and_starts_nothing(
    database: Database, submitted: Submit
) -> None:
    async with database.transaction() as session:
        await patch_queue(session, "cpu", QueuePatch(paused=True), lost_after=60)
    job = await submitted()
    async with database.transaction() as session:
        assert await dispatch(session, resend_seconds=30) == []
        got = await claim(session, worker="w", queue="cpu", token_sha256="t", lease_seconds=60)
        assert got == NothingToClaim(why="the queue cpu is paused")
    async with database.transaction() as session:
        await patch_queue(session, "cpu", QueuePatch(paused=False), lost_after=60)
    async with database.transaction() as session:
        assert [due.job for due in await dispatch(session, resend_seconds=30)] == [job.id]


async def test_a_report_that_is_sent_twice_is_written_once(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    news = Report(first=0, events=[line(0), line(1)])
    for sent in (news, news, Report(first=1, events=[line(1), line(2)])):
        async with database.transaction() as session:
            assert await report(session, job=job.id, epoch=held.epoch, news=sent, lease_seconds=60)
    events = await history(database, job.id)
    assert [event.seq for event in events] == list(range(5))
    assert [event.data["text"] for event in events[2:]] == ["line 0\n", "line 1\n", "line 2\n"]


async def test_a_report_with_a_gap_before_it_writes_nothing(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    with pytest.raises(ReportGap):
        async with database.transaction() as session:
            await report(
                session,
                job=job.id,
                epoch=held.epoch,
                news=Report(first=1, events=[line(1)]),
                lease_seconds=60,
            )
    assert (await now_is(database, job.id)).seq == 1


async def test_a_workers_wrong_clock_does_not_leave_the_attempts_time(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    wrong = [
        Reported(at=datetime.now(UTC) + timedelta(days=days), kind=EventKind.log, data={})
        for days in (-400, 400)
    ]
    async with database.transaction() as session:
        await report(
            session, job=job.id, epoch=held.epoch, news=Report(first=0, events=wrong), lease_seconds=60
        )
    standing = await now_is(database, job.id)
    assert all(
        standing.started_at <= event.at <= datetime.now(UTC)
        for event in (await history(database, job.id))[2:]
    )


async def test_many_writers_leave_a_history_without_gaps(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)

    async def write(_: int) -> None:
        async with database.transaction() as session:
            await report(session, job=job.id, epoch=held.epoch, news=Report(first=0), lease_seconds=60)
            await cancel(session, job.id)

    await asyncio.gather(*(write(number) for number in range(10)))
    assert [event.seq for event in await history(database, job.id)] == [0, 1, 2]


async def test_a_finished_job_has_one_result_and_its_repeat_the_same_answer(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    result = Finish(first=0, events=[line(0)], state=JobState.failed, reason=Reason.exit_code, exit_code=3)
    for _ in range(3):
        async with database.transaction() as session:
            answer = await finish(session, job=job.id, epoch=held.epoch, result=result, backoff=AT_ONCE)
        assert answer is not None
        assert answer.state is JobState.failed
    assert await states(database, job.id) == ["queued", "running", "failed"]
    last = (await history(database, job.id))[-1]
    assert last.data == {"state": "failed", "reason": "exit_code", "exit_code": 3}
    ended = await now_is(database, job.id)
    assert (ended.state, ended.seq, ended.finished_at is not None) == (JobState.failed, last.seq, True)


async def test_a_failed_start_is_tried_again_while_attempts_are_left(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted(max_attempts=2)
    failed = Finish(first=0, state=JobState.failed, reason=Reason.start_failed, message="no disk")
    for expected in (JobState.queued, JobState.failed):
        held = await claimed(job.id)
        async with database.transaction() as session:
            answer = await finish(session, job=job.id, epoch=held.epoch, result=failed, backoff=AT_ONCE)
        assert answer is not None
        assert answer.state is expected


async def test_a_failed_starts_repeat_is_told_of_the_next_attempt_also_when_that_one_runs(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    first = await claimed(job.id)
    failed = Finish(first=0, state=JobState.failed, reason=Reason.start_failed)
    async with database.transaction() as session:
        await finish(session, job=job.id, epoch=first.epoch, result=failed, backoff=AT_ONCE)
    second = await claimed(job.id)
    async with database.transaction() as session:
        again = await finish(session, job=job.id, epoch=first.epoch, result=failed, backoff=AT_ONCE)
    assert again is not None
    assert again.state is JobState.queued
    assert (await now_is(database, job.id)).attempt == second.attempt


async def test_an_expired_lease_gives_the_job_to_another_and_fences_the_first(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    late = await claimed(job.id, lease_seconds=-1)
    async with database.transaction() as session:
        assert await expire(session, backoff=AT_ONCE) == [job.id]
    async with database.transaction() as session:
        assert (
            await report(session, job=job.id, epoch=late.epoch, news=Report(first=0), lease_seconds=60)
            is None
        )
        assert await finish(session, job=job.id, epoch=late.epoch, result=SUCCEEDED, backoff=AT_ONCE) is None
    second = await claimed(job.id)
    assert (second.attempt, second.epoch > late.epoch) == (2, True)
    async with database.transaction() as session:
        assert await finish(session, job=job.id, epoch=late.epoch, result=SUCCEEDED, backoff=AT_ONCE) is None
        assert (
            await finish(session, job=job.id, epoch=second.epoch, result=SUCCEEDED, backoff=AT_ONCE)
            is not None
        )


async def test_a_job_whose_workers_are_all_lost_fails_after_its_last_attempt(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted(max_attempts=2)
    for _ in range(2):
        await claimed(job.id, lease_seconds=-1)
        async with database.transaction() as session:
            await expire(session, backoff=AT_ONCE)
    ended = await now_is(database, job.id)
    assert (ended.state, ended.reason, ended.attempt) == (JobState.failed, Reason.worker_lost, 2)
    assert "2 of 2 attempts" in ended.message


async def test_a_lease_that_was_renewed_does_not_expire(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id, lease_seconds=-1)
    async with database.transaction() as session:
        await report(session, job=job.id, epoch=held.epoch, news=Report(first=0), lease_seconds=60)
    async with database.transaction() as session:
        assert await expire(session, backoff=AT_ONCE) == []


async def test_a_queued_job_is_cancelled_at_once_and_twice_is_once(
    database: Database, submitted: Submit
) -> None:
    job = await submitted()
    for _ in range(2):
        async with database.transaction() as session:
            cancelled = await cancel(session, job.id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.reason) == (JobState.cancelled, Reason.cancel_requested)
    assert await states(database, job.id) == ["queued", "cancelled"]


async def test_a_running_job_is_told_by_its_next_report(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    held = await claimed(job.id)
    async with database.transaction() as session:
        told = await cancel(session, job.id)
        assert told is not None
        assert told.state is JobState.running
    async with database.transaction() as session:
        answer = await report(session, job=job.id, epoch=held.epoch, news=Report(first=0), lease_seconds=60)
    assert answer is not None
    assert answer.cancel


async def test_a_cancelled_job_whose_worker_is_lost_is_cancelled_and_not_queued(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    await claimed(job.id, lease_seconds=-1)
    async with database.transaction() as session:
        await cancel(session, job.id)
    async with database.transaction() as session:
        await expire(session, backoff=AT_ONCE)
    assert (await now_is(database, job.id)).state is JobState.cancelled


async def test_a_job_that_was_handed_back_does_not_count_the_attempt(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted(max_attempts=1)
    held = await claimed(job.id)
    async with database.transaction() as session:
        assert await release(session, job=job.id, epoch=held.epoch) is JobState.queued
    async with database.transaction() as session:
        assert not await release(session, job=job.id, epoch=held.epoch)
        assert [due.job for due in await dispatch(session, resend_seconds=30)] == [job.id]
    assert (await claimed(job.id)).attempt == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET state = 'queued', finished_at = NULL, dispatch_at = now()",
        "UPDATE job SET state = 'succeeded'",
        "UPDATE job SET seq = seq + 1",
        "UPDATE job SET epoch = epoch + 1",
        "UPDATE job SET message = 'it went well'",
        "UPDATE event SET data = '{}'",
    ],
)
async def test_a_final_job_never_moves_again_whoever_asks(
    database: Database, submitted: Submit, statement: str
) -> None:
    job = await submitted()
    async with database.transaction() as session:
        await cancel(session, job.id)
    with pytest.raises(IntegrityError, match=r"never changes|does not change"):
        async with database.transaction() as session:
            await session.execute(text(statement))


async def test_what_people_say_about_a_final_job_may_change(database: Database, submitted: Submit) -> None:
    job = await submitted()
    async with database.transaction() as session:
        await cancel(session, job.id)
        await session.execute(text("UPDATE job SET description = 'the control', tags = '{paper}'"))
    assert (await now_is(database, job.id)).tags == ["paper"]
