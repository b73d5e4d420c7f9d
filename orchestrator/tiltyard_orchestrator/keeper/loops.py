"""The keeper: a few loops inside every gateway.

They publish the jobs that are due, let those start that wait no longer, let jobs of a sweep go that were held back, take away
leases that ran out, and let a plugin's version be ready, or refuse it, when the job that loads it has ended.

There may be any number of keepers; they skip each other's locked rows and need no leader. A keeper that is killed
between its commit and its publish has lost nothing: the row says when the bell is to be rung again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.domain.patience import Patience
from tiltyard_orchestrator.settings import Timing
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.dispatch import dispatch
from tiltyard_orchestrator.storage.jobs.expire import expire
from tiltyard_orchestrator.storage.jobs.overdue import end_overdue
from tiltyard_orchestrator.storage.jobs.settle import decided, settle
from tiltyard_orchestrator.storage.plugins.settle_checks import ended_checks, settle_check
from tiltyard_orchestrator.storage.sweeps.let_go import let_go, sweeps_with_held
from tiltyard_orchestrator.storage.workers import forget_workers

log = structlog.get_logger(__name__)

BATCH = 200
MOST_ENDED = 100
"""Of the jobs that ended, for so many at once those are looked for that wait for them."""
MOST_SETTLED = 2_000
"""Waiting jobs, in one transaction: each time all that wait are looked at."""
MOST_LET_GO = 1_000
"""Jobs of a sweep, in one transaction."""
CROWD_SECONDS = 0.05
"""The least time between two looks for due jobs."""
TIDY_EVERY_SECONDS = 3600.0


@dataclass(kw_only=True)
class Pulse:
    """How the keeper is doing, for `/health`."""

    publishing: bool = True
    """Whether the last publish was confirmed."""
    looking: bool = True
    """Whether the last look into the database succeeded."""


class Keeper:
    """Publishes due jobs and expires leases until it is cancelled."""

    def __init__(self, database: Database, publisher: Publisher, hints: Hints, timing: Timing) -> None:
        self._database = database
        self._publisher = publisher
        self._hints = hints
        self._timing = timing
        self._patience = Patience(lease_seconds=timing.lease_seconds, look_seconds=timing.expire_every)
        self._woken = asyncio.Event()
        self._ended: set[str] = set()
        self._any_ended = asyncio.Event()
        self._check_ended = asyncio.Event()
        self._room = asyncio.Event()
        self._looked_at = float("-inf")
        self.pulse = Pulse()

    def wake(self) -> None:
        """Look for due jobs now: one was just submitted or came back."""
        self._woken.set()
        self._room.set()

    def settle(self, ended: str) -> None:
        """Look for jobs that wait for this one, which has just ended."""
        self._ended.add(ended)
        self._any_ended.set()
        self._check_ended.set()
        self._room.set()

    async def run(self) -> None:
        """Keep, until cancelled. No failure ends it: what went wrong is logged once and tried again."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._forever(self._dispatch_all, self._until_woken))
            loops.create_task(
                self._forever(self._expire_late, lambda: asyncio.sleep(self._timing.expire_every))
            )
            loops.create_task(self._forever(self._settle_ended, self._until_ended))
            loops.create_task(self._forever(self._settle_checks, self._until_checked))
            loops.create_task(self._forever(self._let_go, self._until_room))
            loops.create_task(
                self._forever(self._settle_all, lambda: asyncio.sleep(self._timing.expire_every))
            )
            loops.create_task(self._forever(self._tidy, lambda: asyncio.sleep(TIDY_EVERY_SECONDS)))

    async def _forever(
        self, work: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]
    ) -> None:
        failing = False
        while True:
            try:
                await work()
                failing = False
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever breaks in one round
                if not failing:
                    log.warning(
                        "keeper_failing", work=work.__name__, error=str(error) or type(error).__name__
                    )
                failing = True
            await pause()

    async def _until_woken(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.dispatch_every):
                await self._woken.wait()
        # Of submits in a crowd, each would have a look of its own; the first one never waits.
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._looked_at + CROWD_SECONDS - loop.time()))
        self._looked_at = loop.time()
        self._woken.clear()

    async def _until_ended(self) -> None:
        await self._any_ended.wait()

    async def _until_checked(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.expire_every):
                await self._check_ended.wait()

    async def _until_room(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.expire_every):
                await self._room.wait()
        await asyncio.sleep(CROWD_SECONDS)  # of jobs that end in a crowd, each would have a look of its own

    async def _let_go(self) -> None:
        """Let jobs of sweeps go, each sweep in a transaction of its own."""
        self._room.clear()
        async with self._database.transaction() as session:
            sweeps = await sweeps_with_held(session)
        for sweep in sweeps:
            async with self._database.transaction() as session:
                gone = await let_go(session, sweep, limit=MOST_LET_GO)
            if gone:
                self._woken.set()
            if len(gone) == MOST_LET_GO:
                self._room.set()

    async def _settle_checks(self) -> None:
        self._check_ended.clear()
        while True:
            async with self._database.transaction() as session:
                found = await ended_checks(session, limit=BATCH)
            for plugin, version in found:
                async with self._database.transaction() as session:
                    state = await settle_check(session, plugin, version)
                if state is not None:
                    log.info("plugin_checked", plugin=plugin, version=version, state=state.value)
            if len(found) < BATCH:
                return

    async def _dispatch_all(self) -> None:
        self._woken.clear()
        while True:
            async with self._database.transaction() as session:
                due = await dispatch(session, resend_seconds=self._timing.resend_seconds, limit=BATCH)
            if due:
                try:
                    await self._publisher.publish(due)
                except Exception:
                    self.pulse.publishing = False
                    raise
                self.pulse.publishing = True
            if len(due) < BATCH:
                return

    async def _expire_late(self) -> None:
        healthy = self.pulse.looking = await self._database.ready()
        if not self._patience.look(asyncio.get_running_loop().time(), healthy=healthy):
            return
        async with self._database.transaction() as session:
            moved = await expire(session, backoff=self._timing.backoff)
        for job in moved:
            log.warning("lease_expired", job=job)
        self._tell(moved)

    async def _settle_ended(self) -> None:
        self._any_ended.clear()
        ended, self._ended = self._ended, set()
        while ended:
            some = [ended.pop() for _ in range(min(len(ended), MOST_ENDED))]
            await self._settle(ended=some)

    async def _settle_all(self) -> None:
        """What the quick look missed: a job that ended at another gateway, one whose time has come, one that is overdue."""
        async with self._database.transaction() as session:
            overdue = await end_overdue(session)
            over = await decided(session)
        self._tell(overdue)
        for start in range(0, len(over), MOST_ENDED):
            await self._settle(ended=over[start : start + MOST_ENDED])
        await self._settle(ended=None)

    async def _settle(self, *, ended: list[str] | None) -> None:
        while True:
            async with self._database.transaction() as session:
                moved = await settle(session, ended=ended, limit=MOST_SETTLED)
            self._tell(moved)
            if len(moved) < MOST_SETTLED:
                return

    def _tell(self, moved: list[str]) -> None:
        """Tell followers, the dispatch, and those that may wait for these jobs."""
        for job in moved:
            self._hints.announce(job)
            self.settle(job)
        if moved:
            self.wake()

    async def _tidy(self) -> None:
        async with self._database.transaction() as session:
            await forget_workers(session)
