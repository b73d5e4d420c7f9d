"""A crowd: callers, workers and keepers that go on at the same time, each doing what it likes.

Nobody foresees what comes out, so that nothing is compared here; what is answered is written down for whoever asks later.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from tests.storage.conftest import new_job
from tiltyard.wire import Finish, JobState, QueuePatch, Reason, Report
from tiltyard.wire.jobs import FINAL_STATES, Condition, Dependency
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.cancel_many import cancel_some
from tiltyard_orchestrator.storage.jobs.claim import Claimed, claim
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.overdue import end_overdue
from tiltyard_orchestrator.storage.jobs.read import JobFilter
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.report import report
from tiltyard_orchestrator.storage.jobs.settle import decided, settle
from tiltyard_orchestrator.storage.jobs.submit import submit
from tiltyard_orchestrator.storage.queues import patch_queue

P = ParamSpec("P")
R = TypeVar("R")
LEASE_SECONDS = 1000.0
AT_ONCE = Backoff(first=0)
RESULTS = [
    Finish(first=0, state=JobState.succeeded),
    Finish(first=0, state=JobState.failed, reason=Reason.exit_code),
    Finish(first=0, state=JobState.failed, reason=Reason.start_failed),
]
LATE = "UPDATE job SET lease_until = now() - interval '1 second' WHERE state = 'running'"


class Crowd:
    """Everybody, on one database.

    Args:
        database: has a connection for each of them.
        seed: what each of them likes; when it comes to it is not in it.
    """

    def __init__(self, database: Database, seed: int) -> None:
        self._database = database
        self._seed = seed
        self.jobs: list[str] = []
        self.ends: dict[str, set[tuple[int, JobState]]] = defaultdict(set)
        """The epochs that were told of a job's end, and which it was."""

    async def call(
        self,
        verb: Callable[Concatenate[AsyncSession, P], Awaitable[R]],
        *args: P.args,
        **named: P.kwargs,
    ) -> R:
        """One verb in a transaction of its own."""
        async with self._database.transaction() as session:
            return await verb(session, *args, **named)

    async def gather(self, *, turns: int) -> None:
        """Let all of them go on until each has had so many turns."""
        await self._submit(Random(self._seed))
        people = [self._caller, self._caller, self._keeper, self._keeper]
        async with asyncio.TaskGroup() as everybody:
            for number, goes_on in enumerate([*people, *[self._worker] * 4]):
                everybody.create_task(self._turns(goes_on, Random(f"{self._seed} {number}"), number, turns))

    async def _turns(
        self, goes_on: Callable[[Random, str], Awaitable[None]], random: Random, number: int, turns: int
    ) -> None:
        for turn in range(turns):
            await goes_on(random, f"{number}, turn {turn}")

    async def _caller(self, random: Random, _: str) -> None:
        match random.choice(
            ["submit"] * 6 + ["cancel", "cancel", "cancel some", "pause", "resume", "resume"]
        ):
            case "submit":
                await self._submit(random)
            case "cancel":
                await self.call(cancel, random.choice(self.jobs))
            case "cancel some":
                await self.call(cancel_some, JobFilter(), after=random.choice(self.jobs), limit=3)
            case which:
                await self.call(patch_queue, "cpu", QueuePatch(paused=which == "pause"), lost_after=60)

    async def _submit(self, random: Random) -> None:
        others = random.sample(self.jobs, random.choice([0, 0, 1, 2]) if len(self.jobs) > 2 else 0)
        after = [Dependency(job=job, condition=random.choice(list(Condition))) for job in others]
        key = f"{random.random()}"
        new = new_job(after=after, priority=random.randint(0, 9), idempotency_key=key, request_digest=key)
        answers = await asyncio.gather(self.call(submit, new), self.call(submit, new))
        ids = {answer[0].id for answer in answers if isinstance(answer, tuple)}
        assert len(ids) == 1, "one key is one job"
        self.jobs += ids - set(self.jobs)

    async def _keeper(self, _random: Random, _: str) -> None:
        await self.call(dispatch, resend_seconds=0)
        await self.call(expire, backoff=AT_ONCE)
        await self.call(end_overdue)
        await self.call(settle, ended=await self.call(decided))

    async def _worker(self, random: Random, turn: str) -> None:
        async def ask() -> Any:
            return await self.call(
                claim, worker=turn, queue="cpu", token_sha256=turn, lease_seconds=LEASE_SECONDS
            )

        # Asked twice at once, one of the two may be refused by the index of tokens; and then it is asked again.
        answers = await asyncio.gather(ask(), ask(), return_exceptions=True)
        assert all(not isinstance(answer, BaseException) or _same_token(answer) for answer in answers), (
            answers
        )
        claimed = [answer for answer in answers if isinstance(answer, Claimed)]
        assert len({(answer.job, answer.epoch) for answer in claimed}) <= 1, "one token is one attempt"
        if claimed:
            await self._attempt(random, claimed[0])

    async def _attempt(self, random: Random, got: Claimed) -> None:
        held: dict[str, Any] = {"job": got.job, "epoch": got.epoch}
        what = random.choice(["vanish", "freeze", "hand back", "end", "end", "end"])
        news = Report(first=0)
        await asyncio.gather(
            *(self.call(report, **held, news=news, lease_seconds=LEASE_SECONDS) for _ in "ab")
        )
        if what in {"vanish", "freeze"}:
            async with self._database.transaction() as session:
                mine = text(f"{LATE} AND id = :job AND epoch = :epoch")
                await session.execute(mine, held)
        if what in {"freeze", "end"}:
            result = random.choice(RESULTS)
            await asyncio.gather(self._finish(got, result), self._finish(got, result))
        if what == "hand back":
            await asyncio.gather(self.call(release, **held), self.call(release, **held))

    async def _finish(self, got: Claimed, result: Finish) -> None:
        answer = await self.call(finish, job=got.job, epoch=got.epoch, result=result, backoff=AT_ONCE)
        if answer is not None and answer.state in FINAL_STATES:
            self.ends[got.job].add((got.epoch, answer.state))

    async def go_home(self) -> None:
        """A worker and a keeper stay, and nobody else: everything that was begun comes to its end."""
        await self.call(patch_queue, "cpu", QueuePatch(paused=False), lost_after=60)
        async with self._database.transaction() as session:
            await session.execute(text(LATE))
        random = Random(self._seed)
        for round_ in range(10 * len(self.jobs)):
            await self._keeper(random, "")
            got = await self.call(
                claim, worker="last", queue="cpu", token_sha256=f"last {round_}", lease_seconds=LEASE_SECONDS
            )
            if isinstance(got, Claimed):
                await self._finish(got, RESULTS[0])
            elif not await self.call(_alive):
                return


async def _alive(session: AsyncSession) -> int:
    query = text("SELECT count(*) FROM job WHERE state IN ('waiting', 'queued', 'running')")
    return int((await session.execute(query)).scalar_one())


def _same_token(error: BaseException) -> bool:
    return isinstance(error, IntegrityError) and "ix_job_token" in str(error)
