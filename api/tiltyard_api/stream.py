"""The event stream: what a follower is sent, pulled from the database by `seq`.

There is no buffer per follower and no push to lose. A hint or the five-second poll wakes the reader, the reader asks for
what comes after the `seq` that it has sent, and sends it. So an event is sent once, in its place, whatever happened to
hints, brokers and gateways in between; a follower that was cut off comes back with its own `seq`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from functools import partial
from typing import TypeVar

from tiltyard_api.parts import Parts
from tiltyard_api.problems import is_away
from tiltyard_api.reading import SHORT_PAGE, JobGone, Reading
from tiltyard_orchestrator.storage.events import Standing

Answer = TypeVar("Answer")

RETRY_SECONDS = 0.5
RECENT_SECONDS = 120.0
"""Far longer than a transaction that ends a job may take: its end is dated from its beginning."""


class Away(Exception):
    """The database was away for longer than a stream has patience."""


async def follow_job(here: Parts, job: str, after: int) -> AsyncGenerator[list[str], None]:
    """Every event of a job behind `after`, in order and as they come, and its end behind the last one.

    An empty list is a sign of life: nothing happened for a while.
    """
    limit = SHORT_PAGE
    with here.hints.subscribe(job) as bell:
        while True:
            reading = await _patiently(here, partial(here.reader.read, job, after, limit=limit))
            yield reading.frames
            after, limit = reading.seq, reading.next_page
            if reading.end:
                return
            if not reading.more:
                await bell.wait(here.pace.poll)


async def follow_many(
    here: Parts, known: dict[str, int], *, experiment: str | None, jobs: Collection[str] | None
) -> AsyncGenerator[list[str], None]:
    """Every event of many jobs, each job's in order, and each job's end; jobs that come to be are followed too.

    Ends when all of `jobs` have ended, where they are named.

    Args:
        here: the gateway.
        known: the `seq` that the follower has of each job; it is kept up to date.
        experiment: follow the jobs of this experiment alone.
        jobs: follow these jobs alone.
    """
    ended: set[str] = set()
    looks = _Looks(jobs, every=here.pace.poll)
    with here.hints.subscribe() as bell:
        while jobs is None or not ended.issuperset(jobs):
            wanted, ended_within = looks.next()
            ask = partial(here.reader.stand, experiment=experiment, jobs=wanted, ended_within=ended_within)
            now = await _patiently(here, ask)
            for job in wanted or now:
                if job not in now:
                    ended.update({job} if jobs else ())  # it was deleted, or is of another experiment
                elif job not in ended and _has_news(now[job], known.get(job, -1)):
                    async for frames in _catch_up(here, job, known, ended):
                        yield frames
            yield []
            looks.rung = await bell.wait(here.pace.poll)


class _Looks:
    """Which jobs to look at: those that rang, and every few seconds all of them, which repairs the hints that were lost.

    Where all means every job there is, what ended long before the last such look was seen then, and is left out.
    """

    def __init__(self, jobs: Collection[str] | None, *, every: float) -> None:
        self._jobs = jobs
        self._every = every
        self._all_at = float("-inf")
        self.rung: set[str] = set()

    def next(self) -> tuple[Collection[str] | None, float | None]:
        """The jobs to look at now, None for every job there is; and how many seconds ago they may have ended."""
        now = asyncio.get_running_loop().time()
        since = now - self._all_at
        if not self.rung or since >= self._every:
            self._all_at = now
            return self._jobs, RECENT_SECONDS if self._jobs is None and since < RECENT_SECONDS / 2 else None
        return (self.rung if self._jobs is None else self.rung.intersection(self._jobs)), None


def _has_news(stands: Standing, seq: int) -> bool:
    return stands.seq > seq or stands.state.final


async def _catch_up(
    here: Parts, job: str, known: dict[str, int], ended: set[str]
) -> AsyncGenerator[list[str], None]:
    more, limit = True, SHORT_PAGE
    while more:
        try:
            reading = await _patiently(here, partial(here.reader.read, job, known.get(job, -1), limit=limit))
        except JobGone:  # nobody waits for its end any more
            ended.add(job)
            return
        yield reading.frames
        known[job] = reading.seq
        more, limit = reading.more, reading.next_page
        if reading.end:
            ended.add(job)


async def _patiently(here: Parts, read: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again, quietly, while the database is away.

    Raises:
        Away: it is away for too long.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + here.pace.patience
    while True:
        try:
            return await read()
        except Exception as error:
            if not is_away(error):
                raise
            if clock() > deadline:
                raise Away from error
        await asyncio.sleep(RETRY_SECONDS)


async def next_page(here: Parts, job: str, after: int, *, wait: float) -> Reading:
    """What a long poll answers: the next events, or none when none came for `wait` seconds.

    Raises:
        JobGone: the job was deleted meanwhile.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    with here.hints.subscribe(job) as bell:
        while True:
            reading = await here.reader.read(job, after)
            left = deadline - clock()
            if reading.events or reading.end or left <= 0 or here.draining.is_set():
                return reading
            await ring_or_drain(here, bell.wait(min(left, here.pace.poll)))


async def ring_or_drain(here: Parts, ring: Awaitable[object]) -> None:
    """Wait for a bell, and no longer once the gateway is about to stop."""
    waits = [asyncio.ensure_future(ring), asyncio.ensure_future(here.draining.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
