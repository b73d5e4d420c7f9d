"""Results: which jobs, in which order, page by page, on a real PostgreSQL."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.storage.conftest import Claim, Submit
from tests.storage.test_metrics import metric, statements, told
from tiltyard.wire import Job, JobState, MetricDraft, Result
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.domain.questions import read_condition, read_order
from tiltyard_orchestrator.storage.cursor import BadCursor, encode
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.results.columns import columns_of
from tiltyard_orchestrator.storage.results.names import find_experiment, unknown_name
from tiltyard_orchestrator.storage.results.post import post_metrics
from tiltyard_orchestrator.storage.results.read import Wanted, conditions, list_results

NAN, INF = math.nan, math.inf


async def wanted(database: Database, *where: str, sort: str = "-created", **more: Any) -> Wanted:
    async with database.transaction() as session:
        experiment = await find_experiment(session, "digits")
    assert experiment is not None
    return Wanted(experiment=experiment, where=[*map(read_condition, where)], order=read_order(sort), **more)


async def results(
    database: Database, *where: str, sort: str = "created", limit: int = 100, **more: Any
) -> list[Result]:
    """All of them, read in pages of `limit`."""
    asked = await wanted(database, *where, sort=sort, **more)
    found: list[Result] = []
    cursor: str | None = None
    while True:
        async with database.transaction() as session:
            page = await list_results(session, asked, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        if (cursor := page.next) is None:
            return found


async def measured(database: Database, job: Job, **metrics: float) -> Job:
    drafts = [MetricDraft(name=name, value=value) for name, value in metrics.items()]
    async with database.transaction() as session:
        await post_metrics(session, job.id, drafts)
    return job


@pytest.fixture
async def jobs(database: Database, submitted: Submit) -> dict[str, str]:
    """Six jobs by what they are called: their ids, and the other way around."""
    given: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
        "a": ({"eps": 0.1, "attack": "fgm"}, {"acc": 0.9, "loss": 1}),
        "b": ({"eps": 0.3, "attack": "pgd"}, {"acc": 0.2}),
        "c": ({"eps": 1, "attack": "fgm"}, {"acc": NAN}),
        "d": ({"eps": "auto", "attack": None}, {"loss": -INF}),
        "e": ({"attack": [1, 2]}, {"acc": INF}),
        "f": ({"eps": 0.3, "attack": True}, {"acc": 0.2}),
    }
    named: dict[str, str] = {}
    for name, (parameters, metrics) in given.items():
        job = await submitted(parameters=parameters, tags=["vowel"] if name in "ae" else [])
        named[(await measured(database, job, **metrics)).id] = name
    return named


async def names(database: Database, jobs: dict[str, str], *where: str, **more: Any) -> str:
    return "".join(jobs[one.id] for one in await results(database, *where, **more))


CONDITIONS = [
    ("metric.acc<0.5", "bf"),
    ("metric.acc>=0.2", "abef"),
    ("metric.acc>0.2", "ae"),
    ("metric.acc=NaN", "c"),
    ("metric.acc!=0.2", "ace"),
    ("metric.acc<NaN", ""),
    ("metric.acc=Infinity", "e"),
    ("metric.loss<0", "d"),
    ("param.eps>=0.3", "bcf"),
    ("param.eps=0.30", "bf"),
    ("param.eps=1.0", "c"),
    ("param.eps!=0.3", "acd"),
    ("param.eps=auto", "d"),
    ("param.attack=fgm", "ac"),
    ("param.attack=[1,2]", "e"),
    ("param.attack=true", "f"),
    ("param.attack=null", "d"),
    ("param.attack!=fgm", "bdef"),
]


async def test_conditions_say_which_jobs(database: Database, jobs: dict[str, str]) -> None:
    found = [(where, await names(database, jobs, where)) for where, _ in CONDITIONS]
    assert found == CONDITIONS


async def test_all_conditions_hold_together_and_with_the_filters(
    database: Database, jobs: dict[str, str]
) -> None:
    assert await names(database, jobs, "metric.acc>0.1", "param.attack=fgm") == "a"
    assert await names(database, jobs, tag="vowel") == "ae"
    assert await names(database, jobs, states=[JobState.queued]) == "abcdef"
    assert await names(database, jobs, states=[JobState.failed]) == ""
    assert await names(database, jobs, entry_point="other") == ""
    assert await names(database, jobs, sweep="none") == ""
    first = (await results(database))[0].created_at
    assert await names(database, jobs, created_before=first + timedelta(microseconds=1)) == "a"
    assert await names(database, jobs, created_after=first + timedelta(microseconds=1)) == "bcdef"


ORDERS: list[tuple[str, list[str]]] = [
    ("created", [*"abcdef"]),
    ("-created", [*"fedcba"]),
    # Numbers, then NaN, then jobs without: equal ones by id.
    ("metric.acc", ["bf", "a", "e", "c", "d"]),
    ("-metric.acc", ["e", "a", "bf", "c", "d"]),
    ("metric.loss", ["d", "a", "bcef"]),
    # Numbers, then texts, then jobs without.
    ("param.eps", ["a", "bf", "c", "d", "e"]),
    ("-param.eps", ["c", "bf", "a", "d", "e"]),
    ("param.attack", ["e", "ac", "b", "f", "d"]),
    ("finished", ["abcdef"]),
    ("-seconds", ["abcdef"]),
]


async def test_orders_put_numbers_first_and_pages_neither_repeat_nor_skip(
    database: Database, jobs: dict[str, str]
) -> None:
    ids = {name: job for job, name in jobs.items()}
    for sort, groups in ORDERS:
        # Equal ones stand by id.
        expected = "".join(name for group in groups for name in sorted(group, key=ids.__getitem__))
        for limit in (1, 2, 100):
            assert await names(database, jobs, sort=sort, limit=limit) == expected, (sort, limit)


async def test_a_row_has_what_the_job_was_and_what_it_came_to(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    claim = await claimed((await submitted(parameters={"eps": 0.5})).id)
    await told(database, claim, metric("acc", 0.25), metric("loss", "NaN"))
    row = (await results(database))[0]
    assert (row.parameters, row.queue, row.entry_point, row.state) == ({"eps": 0.5}, "cpu", "main", "running")
    assert (row.metrics["acc"], math.isnan(row.metrics["loss"]), row.seconds) == (0.25, True, None)
    async with database.transaction() as session:
        await cancel(session, claim.job)
    assert '"loss":"NaN"' in row.model_dump_json()


async def test_ended_jobs_are_sorted_by_how_long_they_ran_and_when_they_ended(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    from sqlalchemy import update
    from sqlmodel import col

    from tiltyard_orchestrator.storage.tables import JobRow

    ids = [(await submitted()).id for _ in range(4)]
    start = datetime.fromisoformat("2026-01-31T12:00:00+00:00")
    for job, begin, seconds in ((ids[0], 30, 5), (ids[1], 0, 50.25), (ids[2], 10, 5)):
        values = {
            "state": "succeeded", "dispatch_at": None, "ready_at": None, "turn_at": None,
            "started_at": start + timedelta(seconds=begin), "finished_at": start + timedelta(seconds=begin + seconds),
        }  # fmt: skip
        async with database.transaction() as session:
            await session.execute(update(JobRow).where(col(JobRow.id) == job).values(values))

    async def order(sort: str, limit: int = 1) -> list[int]:
        return [ids.index(one.id) for one in await results(database, sort=sort, limit=limit)]

    ties = sorted([0, 2], key=ids.__getitem__)
    assert await order("-seconds") == [1, *ties, 3]
    assert await order("seconds") == [*ties, 1, 3]
    assert await order("finished") == [2, 0, 1, 3]
    assert await order("-finished") == [1, 0, 2, 3]


async def test_what_an_earlier_attempt_told_is_no_result(
    database: Database, submitted: Submit, claimed: Claim
) -> None:
    job = await submitted()
    first = await claimed(job.id)
    await told(database, first, metric("acc", 0.9), lease=0)
    async with database.transaction() as session:
        await expire(session, backoff=Backoff(first=0))
    await claimed(job.id)
    assert (await results(database, sort="metric.acc"))[0].metrics == {}
    assert await results(database, "metric.acc>0") == []


async def test_a_page_costs_two_statements_however_many_jobs_it_has(
    database: Database, jobs: dict[str, str]
) -> None:
    asked = await wanted(database, "metric.acc>0", sort="-metric.acc")
    async with statements(database) as seen, database.transaction() as session:
        await list_results(session, asked, cursor=None, limit=100)
    assert len(seen) == 2


async def test_a_cursor_of_another_order_or_of_nobody_is_refused(
    database: Database, jobs: dict[str, str]
) -> None:
    asked = await wanted(database, sort="metric.acc")
    async with database.transaction() as session:
        page = await list_results(session, asked, cursor=None, limit=1)
    other = await wanted(database, sort="-metric.acc")
    for question, cursor in (
        (other, page.next), (asked, encode("metric.acc", 0, "high", "x")), (asked, encode("metric.acc")),
        (asked, encode(1)), (asked, "%%"), (await wanted(database, sort="param.eps"), encode("param.eps", 0, "NaN", "", "x")),
        (await wanted(database), encode("-created", "2026-01-31", "x")),
    ):  # fmt: skip
        with pytest.raises(BadCursor):
            async with database.transaction() as session:
                await list_results(session, question, cursor=cursor, limit=1)


async def test_a_name_that_no_job_has_is_told_with_what_may_be_meant(
    database: Database, jobs: dict[str, str]
) -> None:
    experiment = (await wanted(database)).experiment
    async with database.transaction() as session:
        assert await unknown_name(session, experiment, "digits", "metric", "acc") is None
        assert await unknown_name(session, experiment, "digits", "param", "eps") is None
        assert "did you mean 'loss'" in (
            await unknown_name(session, experiment, "digits", "metric", "lss") or ""
        )
        assert 'there are "attack", "eps"' in (
            await unknown_name(session, experiment, "digits", "param", "q") or ""
        )


async def test_the_columns_of_a_table_are_of_the_kind_that_all_jobs_have(
    database: Database, submitted: Submit
) -> None:
    await measured(database, await submitted(parameters={"n": 1, "eps": 1, "ok": True, "x": 1}), acc=1)
    await measured(
        database, await submitted(parameters={"n": 2**53 + 1, "eps": 0.5, "ok": None, "x": "1"}), loss=1
    )
    async with database.transaction() as session:
        found = await columns_of(session, *conditions(await wanted(database)))
    assert found.parameters == {"eps": "number", "n": "integer", "ok": "boolean", "x": "text"}
    assert found.metrics == ["acc", "loss"]
