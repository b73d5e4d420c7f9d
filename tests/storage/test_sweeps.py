"""Sweeps on a real PostgreSQL: nothing is run twice, and no more go at a time than may."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tests.storage.conftest import Claim, Submit, new_job
from tiltyard.wire import Cell, Dependency, Finish, JobState, Reason, Sweep, SweepState
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.experiments import Deleted, delete_experiment
from tiltyard_orchestrator.storage.jobs.claim import NothingToClaim, claim
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.overdue import end_overdue
from tiltyard_orchestrator.storage.jobs.read import JobFilter, get_job, list_jobs
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.settle import settle
from tiltyard_orchestrator.storage.jobs.submit import KeyReused
from tiltyard_orchestrator.storage.sweeps.let_go import let_go, sweeps_with_held
from tiltyard_orchestrator.storage.sweeps.read import (
    NamedSweep,
    find_sweep,
    get_sweep,
    list_cells,
    list_sweeps,
)
from tiltyard_orchestrator.storage.sweeps.retry import Retried, retry_sweep
from tiltyard_orchestrator.storage.sweeps.steer import (
    cancel_cells,
    change_sweep,
    jobs_to_cancel,
    note_cancelled,
    pause_sweep,
    resume_sweep,
)
from tiltyard_orchestrator.storage.sweeps.submit import MadeSweep, NewCell, NewSweep, submit_sweep
from tiltyard_orchestrator.storage.tables import EventRow, JobRow

Make = Callable[..., Awaitable[MadeSweep]]
End = Callable[..., Awaitable[None]]


def new_sweep(
    cells: int = 4, *, first: int = 0, job: dict[str, Any] | None = None, **changes: Any
) -> NewSweep:
    numbers = range(first, first + cells)
    given: dict[str, Any] = {
        "job": new_job(**job or {}),
        "cells": [
            NewCell(values={"n": n}, parameters={"n": n}, command=f"run {n}", digest=f"digest-{n}")
            for n in numbers
        ],
        "axes": [{"parameter": "n", "values": list(numbers)}],
        "mode": "grid",
        "seed": None,
        "submission": {"archive": "a" * 64, "entry_point": "main", "queue": "cpu", "parameters": {}},
    }
    return NewSweep(**given | changes)


@pytest.fixture
async def made(database: Database, submitted: Submit) -> Make:
    """Submit a sweep: `await made(4, max_parallel=2)`."""

    async def make(cells: int = 4, **changes: Any) -> MadeSweep:
        async with database.transaction() as session:
            sweep = await submit_sweep(session, new_sweep(cells, **changes))
        assert isinstance(sweep, MadeSweep)
        return sweep

    return make


@pytest.fixture
def ended(database: Database, claimed: Claim) -> End:
    """Run a job to its end."""

    async def end(job: str, state: JobState = JobState.succeeded, reason: Reason | None = None) -> None:
        held = await claimed(job)
        async with database.transaction() as session:
            result = Finish(first=0, state=state, reason=reason)
            await finish(session, job=job, epoch=held.epoch, result=result, backoff=Backoff(first=0))

    return end


async def cancel_all_of(session: AsyncSession, sweep: MadeSweep) -> tuple[list[str], list[str]]:
    """Ask for the end of what a sweep made; it was noted before."""
    return await cancel_cells(session, sweep.id, await jobs_to_cancel(session, sweep.id))


async def now_is(database: Database, sweep: MadeSweep) -> Sweep:
    async with database.transaction() as session:
        found = await get_sweep(session, sweep.id)
    assert found is not None
    return found


async def cells_of(database: Database, sweep: MadeSweep, *states: JobState) -> list[Cell]:
    async with database.transaction() as session:
        return (await list_cells(session, sweep.id, states=states, cursor=None, limit=1000)).items


async def go(database: Database) -> list[str]:
    """One look of a keeper."""
    async with database.transaction() as session:
        sweeps = await sweeps_with_held(session)
    gone = []
    for sweep in sweeps:
        async with database.transaction() as session:
            gone += await let_go(session, sweep)
    return gone


async def due(database: Database) -> set[str]:
    async with database.transaction() as session:
        return {one.job for one in await dispatch(session, resend_seconds=0, limit=10_000)}


async def test_every_cell_has_a_job_with_its_first_event(database: Database, made: Make) -> None:
    sweep = await made(3)
    cells = await cells_of(database, sweep)
    assert [(cell.number, cell.values, cell.state) for cell in cells] == [
        (n, {"n": n}, JobState.queued) for n in range(3)
    ]
    assert [cell.job for cell in cells] == sweep.jobs
    async with database.transaction() as session:
        events = (await session.scalars(select(EventRow).order_by(col(EventRow.job_id)))).all()
        job = await session.get_one(JobRow, sweep.jobs[1])
    assert [(one.job_id, one.seq, one.kind, one.data) for one in events] == [
        (job_id, 0, "state", {"state": "queued"}) for job_id in sweep.jobs
    ]
    assert (job.command, job.parameters, job.digest, job.sweep_id) == (
        "run 1",
        {"n": 1},
        "digest-1",
        sweep.id,
    )
    assert await due(database) == set(sweep.jobs)


async def test_cells_start_in_their_order(database: Database, made: Make, ended: End) -> None:
    sweep = await made(5)
    for job in sweep.jobs:
        await ended(job)
    assert (await now_is(database, sweep)).state is SweepState.succeeded


async def test_ten_thousand_cells_are_all_there_once(database: Database, made: Make) -> None:
    sweep = await made(10_000, max_parallel=100)
    shown = await now_is(database, sweep)
    assert (shown.cells, shown.jobs, shown.held) == (10_000, {"queued": 10_000}, 9_900)
    async with database.transaction() as session:
        counted = (
            await session.execute(
                text(
                    "SELECT count(*), count(DISTINCT parameters->>'n'), count(DISTINCT job.id), min(event.seq), max(event.seq) "
                    "FROM job JOIN event ON event.job_id = job.id"
                )
            )
        ).one()
    assert tuple(counted) == (10_000, 10_000, 10_000, 0, 0)


async def test_thirty_three_thousand_jobs_are_paused_and_resumed(database: Database, made: Make) -> None:
    sweep = await made(33_000)
    async with database.transaction() as session:
        await pause_sweep(session, sweep.id)
    assert (await now_is(database, sweep)).held == 33_000
    async with database.transaction() as session:
        await resume_sweep(session, sweep.id)
    assert await go(database) == sweep.jobs[:1000], "the others at the next look"


async def test_the_same_sweep_again_runs_nothing_and_a_longer_one_what_is_missing(
    database: Database, made: Make, ended: End
) -> None:
    first = await made(3)
    await ended(first.jobs[0])
    again = await made(3)
    assert again.jobs == []
    assert (await now_is(database, again)).reused == 3
    longer = await made(5)
    assert [cell.job for cell in await cells_of(database, longer)] == [*first.jobs, *longer.jobs]
    assert [cell.reused for cell in await cells_of(database, longer)] == [True] * 3 + [False] * 2


async def test_a_job_that_failed_was_cancelled_or_is_about_to_be_is_no_ones_cell(
    database: Database, made: Make, ended: End, claimed: Claim
) -> None:
    first = await made(3)
    await ended(first.jobs[0], JobState.failed, Reason.exit_code)
    await claimed(first.jobs[1])
    async with database.transaction() as session:
        await cancel_all_of(session, first)
    assert len((await made(3)).jobs) == 3


async def test_a_job_of_another_experiment_is_no_ones_cell(made: Make) -> None:
    await made(2)
    assert len((await made(2, job={"experiment": "other"})).jobs) == 2


async def test_a_job_that_was_submitted_by_itself_is_a_cell(
    submitted: Submit, made: Make, database: Database
) -> None:
    alone = await submitted(digest="digest-1")
    sweep = await made(2)
    assert [cell.job for cell in await cells_of(database, sweep)] == [sweep.jobs[0], alone.id]


async def test_two_like_sweeps_at_once_run_every_cell_once(database: Database, made: Make) -> None:
    both = await asyncio.gather(*(made(200) for _ in range(3)))
    assert sorted(len(one.jobs) for one in both) == [0, 0, 200]
    jobs = [[cell.job for cell in await cells_of(database, one)] for one in both]
    assert jobs[0] == jobs[1] == jobs[2]


async def test_cells_of_one_sweep_that_are_the_same_share_a_job(database: Database, made: Make) -> None:
    same = [NewCell(values={"n": n}, parameters={"n": 1}, command="run", digest="same") for n in (1, 2)]
    await made(0)
    sweep = await _made_of(database, same)
    assert len(sweep.jobs) == 1
    assert {cell.job for cell in await cells_of(database, sweep)} == set(sweep.jobs)


async def _made_of(database: Database, cells: list[NewCell]) -> MadeSweep:
    async with database.transaction() as session:
        sweep = await submit_sweep(session, replace(new_sweep(), cells=cells))
    assert isinstance(sweep, MadeSweep)
    return sweep


async def test_a_key_makes_one_sweep(database: Database, made: Make) -> None:
    key = {"idempotency_key": "k", "request_digest": "d"}
    both = await asyncio.gather(*(made(2, **key) for _ in range(2)))
    assert sorted(one.new for one in both) == [False, True]
    assert both[0].id == both[1].id
    async with database.transaction() as session:
        other = await submit_sweep(session, new_sweep(idempotency_key="k", request_digest="e"))
    assert other == KeyReused(job=both[0].id)


async def test_no_more_go_at_a_time_than_may(
    database: Database, made: Make, ended: End, claimed: Claim
) -> None:
    sweep = await made(5, max_parallel=2)
    assert await due(database) == set(sweep.jobs[:2])
    assert await go(database) == []
    await ended(sweep.jobs[0])
    assert await go(database) == [sweep.jobs[2]]
    await claimed(sweep.jobs[1])
    assert await go(database) == []
    assert (await now_is(database, sweep)).held == 2


async def test_keepers_that_look_at_once_let_no_more_go_than_may(
    database: Database, made: Make, ended: End
) -> None:
    sweep = await made(20, max_parallel=3)
    for job in sweep.jobs[:3]:
        await ended(job)
    gone = await asyncio.gather(*(go(database) for _ in range(4)))
    gone.append(await go(database))
    assert sorted(job for some in gone for job in some) == sweep.jobs[3:6]


async def test_what_is_held_is_not_claimed(database: Database, made: Make) -> None:
    sweep = await made(2)
    async with database.transaction() as session:
        await pause_sweep(session, sweep.id)
    async with database.transaction() as session:
        got = await claim(session, worker="w", queue="cpu", token_sha256="t", lease_seconds=60)
    assert isinstance(got, NothingToClaim)
    assert not got.locked


async def test_a_paused_sweep_starts_nothing_until_it_is_resumed(
    database: Database, made: Make, claimed: Claim
) -> None:
    sweep = await made(3)
    running = await claimed(sweep.jobs[0])
    async with database.transaction() as session:
        assert await pause_sweep(session, sweep.id)
    async with database.transaction() as session:  # its worker is stopped, and hands the job back
        await release(session, job=running.job, epoch=running.epoch)
    assert await due(database) == set()
    assert await go(database) == []
    shown = await now_is(database, sweep)
    assert (shown.state, shown.held) == (SweepState.paused, 3)
    async with database.transaction() as session:
        await resume_sweep(session, sweep.id)
    assert sorted(await go(database)) == sweep.jobs
    assert await due(database) == set(sweep.jobs)
    await claimed(sweep.jobs[0])  # it has kept its turn


async def test_the_time_for_which_a_job_is_held_counts_for_no_queue_time_out(
    database: Database, made: Make
) -> None:
    sweep = await made(2, max_parallel=1, job={"queue_timeout": 100.0})
    async with database.transaction() as session:
        await session.execute(text("UPDATE job SET queued_until = queued_until - interval '1 day'"))
        assert await end_overdue(session) == sweep.jobs[:1]
    assert await go(database) == sweep.jobs[1:]
    async with database.transaction() as session:
        left = await session.scalar(
            text("SELECT extract(epoch FROM queued_until - now()) FROM job WHERE state = 'queued'")
        )
        assert 90 < left <= 100
        await pause_sweep(session, sweep.id)
        await session.execute(
            text("UPDATE job SET ready_at = now() - interval '1 day' WHERE state = 'queued'")
        )
        assert await end_overdue(session) == []


async def test_a_limit_that_is_lowered_holds_the_last_in_line_back(database: Database, made: Make) -> None:
    sweep = await made(5)
    async with database.transaction() as session:
        await change_sweep(session, sweep.id, {"max_parallel": 2})
    assert await due(database) == set(sweep.jobs[:2])
    async with database.transaction() as session:
        await change_sweep(session, sweep.id, {"max_parallel": None})
    assert await go(database) == sweep.jobs[2:]


async def test_cells_wait_for_what_comes_before_them_and_then_for_room(
    database: Database, submitted: Submit, made: Make, ended: End
) -> None:
    training = await submitted()
    after = {"after": [Dependency(job=training.id)]}
    sweep = await made(4, max_parallel=2, job=after)
    assert (await now_is(database, sweep)).jobs == {"waiting": 4}
    await ended(training.id)
    async with database.transaction() as session:
        assert len(await settle(session, ended=[training.id])) == 4
    assert await due(database) == set()
    assert await go(database) == sweep.jobs[:2]
    started_at_once = await made(2, first=10, job=after)
    assert await due(database) >= set(started_at_once.jobs)


async def test_cells_whose_training_failed_are_cancelled_and_not_retried(
    database: Database, submitted: Submit, made: Make, ended: End
) -> None:
    training = await submitted()
    sweep = await made(2, job={"after": [Dependency(job=training.id)]})
    await ended(training.id, JobState.failed, Reason.exit_code)
    async with database.transaction() as session:
        await settle(session, ended=[training.id])
    assert (await now_is(database, sweep)).state is SweepState.cancelled
    async with database.transaction() as session:
        retried = await retry_sweep(session, sweep.id, cancelled=True)
    assert retried == Retried(passed_over=2, unmet=[training.id])


async def test_a_cancelled_sweep_ends_what_it_made_and_leaves_what_another_shares(
    database: Database, made: Make, claimed: Claim
) -> None:
    first, second = await made(3, max_parallel=1), await made(1)
    running = await claimed(first.jobs[0])
    async with database.transaction() as session:
        await note_cancelled(session, second.id)
        assert await cancel_all_of(session, second) == ([], []), "the job is the first one's"
    third = await made(2)
    async with database.transaction() as session:
        await note_cancelled(session, first.id)
        met, asked = await cancel_all_of(session, first)
    assert (met, asked) == ([first.jobs[2]], []), "the third sweep shares the other two"
    async with database.transaction() as session:
        await note_cancelled(session, third.id)
        assert await cancel_all_of(session, first) == (first.jobs[:2], [running.job])
    assert (await now_is(database, first)).jobs == {"running": 1, "cancelled": 2}


async def test_what_two_sweeps_wanted_ends_with_the_second_whichever_made_it(
    database: Database, made: Make
) -> None:
    first, second = await made(3), await made(2)
    ended = []
    for sweep in (first, second):
        async with database.transaction() as session:
            await note_cancelled(session, sweep.id)
            ended.append(await cancel_all_of(session, sweep))
    assert ended == [([first.jobs[2]], []), (first.jobs[:2], [])]
    assert (await now_is(database, second)).state is SweepState.cancelled


async def test_what_came_to_be_wanted_between_the_list_and_the_cancelling_goes_on(
    database: Database, made: Make
) -> None:
    first = await made(2)
    async with database.transaction() as session:
        await note_cancelled(session, first.id)
        jobs = await jobs_to_cancel(session, first.id)
    await made(1)
    async with database.transaction() as session:
        assert await cancel_cells(session, first.id, jobs) == (first.jobs[1:], [])


async def test_a_retry_runs_what_failed_once_more_and_says_where_it_came_from(
    database: Database, made: Make, ended: End
) -> None:
    sweep = await made(4)
    await ended(sweep.jobs[0])
    await ended(sweep.jobs[1], JobState.failed, Reason.exit_code)
    async with database.transaction() as session:
        await cancel_all_of(session, sweep)
    shown = await now_is(database, sweep)
    assert (shown.state, shown.progress) == (SweepState.failed, 1)
    async with database.transaction() as session:
        retried = await retry_sweep(session, sweep.id, cancelled=False)
    assert retried is not None
    async with database.transaction() as session:
        job = await get_job(session, retried.jobs[0])
    assert job is not None
    assert (len(retried.jobs), job.parent, job.parameters) == (1, sweep.jobs[1], {"n": 1})
    async with database.transaction() as session:
        rest = await retry_sweep(session, sweep.id, cancelled=True)
    assert rest is not None
    assert len(rest.jobs) == 2
    for again in [*retried.jobs, *rest.jobs]:
        await ended(again)
    assert (await now_is(database, sweep)).state is SweepState.succeeded


async def test_a_retry_takes_a_job_that_has_succeeded_meanwhile(
    database: Database, submitted: Submit, made: Make, ended: End
) -> None:
    sweep = await made(1)
    await ended(sweep.jobs[0], JobState.failed, Reason.exit_code)
    other = await submitted(digest="digest-0")
    await ended(other.id)
    async with database.transaction() as session:
        assert await retry_sweep(session, sweep.id, cancelled=False) == Retried(linked=1)
    [cell] = await cells_of(database, sweep)
    assert (cell.job, cell.reused) == (other.id, True)


async def test_two_retries_at_once_are_one(database: Database, made: Make, ended: End) -> None:
    sweep = await made(3)
    for job in sweep.jobs:
        await ended(job, JobState.failed, Reason.exit_code)

    async def retried() -> int:
        async with database.transaction() as session:
            done = await retry_sweep(session, sweep.id, cancelled=False)
        assert done is not None
        return len(done.jobs)

    assert sorted(await asyncio.gather(*(retried() for _ in range(3)))) == [0, 0, 3]


async def test_a_retry_keeps_to_the_limit(database: Database, made: Make, ended: End) -> None:
    sweep = await made(3, max_parallel=1)
    for job in sweep.jobs:
        await go(database)
        await ended(job, JobState.failed, Reason.exit_code)
    async with database.transaction() as session:
        retried = await retry_sweep(session, sweep.id, cancelled=False)
    assert retried is not None
    assert await due(database) == set(retried.jobs[:1])


async def test_cells_are_listed_in_order_by_state_and_page_by_page(
    database: Database, made: Make, ended: End
) -> None:
    sweep = await made(5)
    await ended(sweep.jobs[0])
    assert [cell.number for cell in await cells_of(database, sweep, JobState.queued)] == [1, 2, 3, 4]
    numbers: list[int] = []
    cursor: str | None = None
    async with database.transaction() as session:
        while not numbers or cursor:
            page = await list_cells(session, sweep.id, states=(), cursor=cursor, limit=2)
            numbers += [cell.number for cell in page.items]
            cursor = page.next
    assert numbers == [0, 1, 2, 3, 4]


async def test_sweeps_are_listed_newest_first_and_found_by_the_beginning_of_an_id(
    database: Database, made: Make
) -> None:
    first, other = await made(1), await made(1, job={"experiment": "other"})
    async with database.transaction() as session:
        page = await list_sweeps(session, experiment=None, cursor=None, limit=1)
        assert [one.id for one in page.items] == [other.id]
        page = await list_sweeps(session, experiment=None, cursor=page.next, limit=1)
        assert ([one.id for one in page.items], page.next) == ([first.id], None)
        page = await list_sweeps(session, experiment="digits", cursor=None, limit=10)
        assert [one.id for one in page.items] == [first.id]
        found = await find_sweep(session, first.id[:10])
        assert isinstance(found, NamedSweep)
        assert await find_sweep(session, "ffffffffff") is None
        jobs = await list_jobs(session, JobFilter(sweep=first.id), cursor=None, limit=10)
        assert [one.id for one in jobs.items] == first.jobs


async def test_an_experiment_goes_with_its_sweeps(database: Database, made: Make, ended: End) -> None:
    sweep = await made(1)
    await ended(sweep.jobs[0])
    async with database.transaction() as session:
        assert isinstance(await delete_experiment(session, "digits"), Deleted)
    async with database.transaction() as session:
        assert await get_sweep(session, sweep.id) is None
        assert await session.scalar(text("SELECT count(*) FROM cell")) == 0


async def test_a_cell_whose_job_is_gone_is_missing_and_no_longer_known(
    database: Database, made: Make, ended: End
) -> None:
    sweep = await made(2)
    for job in sweep.jobs:
        await ended(job)
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM job WHERE id = :job"), {"job": sweep.jobs[0]})
    shown = await now_is(database, sweep)
    assert (shown.state, shown.missing, shown.progress) == (SweepState.succeeded, 1, 1)
    assert len((await made(2)).jobs) == 1


async def test_a_job_that_is_held_says_so(database: Database, made: Make) -> None:
    sweep = await made(2, max_parallel=1)
    async with database.transaction() as session:
        held, free = await get_job(session, sweep.jobs[1]), await get_job(session, sweep.jobs[0])
    assert held is not None
    assert free is not None
    assert (held.sweep, held.held, free.held) == (sweep.id, True, False)


async def test_a_job_is_never_held_but_in_its_queue(database: Database, made: Make) -> None:
    sweep = await made(1, max_parallel=1)
    with pytest.raises(Exception, match="ck_job_held"):
        async with database.transaction() as session:
            await session.execute(
                update(JobRow)
                .where(col(JobRow.id) == sweep.jobs[0])
                .values(held=True, state="waiting", dispatch_at=None)
            )
