"""Metrics as they stand, kept with the events that tell them, on a real PostgreSQL."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event

from tests.storage.conftest import Claim, Submit
from tiltyard.wire import EventKind, Finish, JobState, MetricDraft, Report, Reported
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.claim import Claimed
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.exports import Record, leave
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.read import get_job
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.report import report
from tiltyard_orchestrator.storage.results.metrics import latest_metrics
from tiltyard_orchestrator.storage.results.post import post_metrics

AT_ONCE = Backoff(first=0)


def metric(name: Any, value: Any, step: Any = 0) -> Reported:
    data = {"name": name, "value": value, "step": step}
    return Reported(at=datetime.now(UTC), kind=EventKind.metric, data=data)


async def told(
    database: Database, claim: Claimed, *events: Reported, first: int = 0, lease: float = 60
) -> None:
    news = Report(first=first, events=list(events))
    async with database.transaction() as session:
        answer = await report(session, job=claim.job, epoch=claim.epoch, news=news, lease_seconds=lease)
    assert answer is not None


async def standing(database: Database, job: str) -> dict[str, tuple[float, int]]:
    async with database.transaction() as session:
        found = await latest_metrics(session, [job])
    return {name: (one.value, one.step) for name, one in found.get(job, {}).items()}


@asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[str]]:
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_the_last_value_of_each_metric_stands(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    await told(database, claim, metric("acc", 0.1, 1), metric("loss", 2.0, 1), metric("acc", 0.2, 2))
    await told(database, claim, metric("acc", 0.3, 2), metric("loss", 9.0, 0), first=3)
    assert await standing(database, claim.job) == {"acc": (0.3, 2), "loss": (2.0, 1)}


async def test_a_report_that_is_sent_again_changes_no_metric(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    await told(database, claim, metric("acc", 0.1))
    await told(database, claim, metric("acc", 0.2), first=1)
    await told(database, claim, metric("acc", 0.1))
    assert await standing(database, claim.job) == {"acc": (0.2, 0)}


async def test_what_the_finish_tells_stands_too(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    result = Finish(first=0, state=JobState.succeeded, events=[metric("acc", 0.7)])
    async with database.transaction() as session:
        await finish(session, job=claim.job, epoch=claim.epoch, result=result, backoff=AT_ONCE)
    assert await standing(database, claim.job) == {"acc": (0.7, 0)}


async def test_nan_and_the_infinities_are_kept(database: Database, submitted: Submit, claimed: Claim) -> None:
    claim = await claimed((await submitted()).id)
    await told(database, claim, metric("a", "NaN"), metric("b", "Infinity"), metric("c", "-Infinity"))
    found = await standing(database, claim.job)
    assert math.isnan(found["a"][0])
    assert (found["b"][0], found["c"][0]) == (math.inf, -math.inf)


async def test_a_malformed_metric_is_an_event_and_makes_no_report_fail(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    odd = [metric(None, 1), metric("x" * 4000, 1), metric("y", "high"), metric("z", 1, 2**70)]
    await told(database, claim, *odd, metric("ü" * 250, 1))
    assert await standing(database, claim.job) == {"ü" * 250: (1.0, 0)}


async def test_a_new_attempt_begins_anew(database: Database, submitted: Submit, claimed: Claim) -> None:
    job = await submitted()
    first = await claimed(job.id)
    await told(database, first, metric("acc", 0.9, 100), metric("loss", 1.0, 100), lease=0)
    await _lose(database, first)
    second = await claimed(job.id)
    assert await standing(database, job.id) == {}, "nothing that the first attempt told is the second's"
    await told(database, second, metric("acc", 0.1, 1))
    assert await standing(database, job.id) == {"acc": (0.1, 1)}


async def test_what_a_released_attempt_told_is_forgotten_though_the_next_has_its_number(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    first = await claimed(job.id)
    await told(database, first, metric("acc", 0.9, 100))
    async with database.transaction() as session:
        await release(session, job=job.id, epoch=first.epoch)
    second = await claimed(job.id)
    assert second.attempt == first.attempt
    await told(database, second, metric("acc", 0.1, 1))
    assert await standing(database, job.id) == {"acc": (0.1, 1)}


async def test_a_report_without_metrics_costs_no_statement_more_and_one_with_many_costs_one(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    line = Reported(at=datetime.now(UTC), kind=EventKind.log, data={"stream": "stdout", "text": "x"})
    async with statements(database) as seen:
        await told(database, claim, line)
    assert [one for one in seen if "metric" in one] == []
    async with statements(database) as seen:
        await told(database, claim, *(metric(f"m{n % 7}", n, n) for n in range(50)), first=1)
    assert len([one for one in seen if "metric" in one]) == 1


async def _lose(database: Database, claim: Claimed) -> None:
    async with database.transaction() as session:
        assert await expire(session, backoff=AT_ONCE) == [claim.job]


async def test_a_job_for_which_somebody_posts_while_it_is_exported_stays(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted()).id)
    async with database.transaction() as session:
        result = Finish(first=0, state=JobState.succeeded)
        await finish(session, job=claim.job, epoch=claim.epoch, result=result, backoff=AT_ONCE)
        job = await get_job(session, claim.job)
    assert job is not None
    async with database.transaction() as session:
        await post_metrics(session, job.id, [MetricDraft(name="certified", value=1)])
    for posted, leaves in ((0, False), (1, True)):
        record = Record(events=3, posted=posted, size=1, sha256="0" * 64)
        async with database.transaction() as session:
            assert await leave(session, job, record) is leaves
