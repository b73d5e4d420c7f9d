"""The event stream: what a follower is sent, pulled from the database by `seq`.

There is no buffer per follower and no push to lose. A hint or the five-second poll wakes the reader, the reader asks for
what comes after the `seq` that it has sent, and sends it. So an event is sent once, in its place, whatever happened to
hints, brokers and gateways in between; a follower that was cut off comes back with its own `seq`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Collection
from functools import partial

from tiltyard_api.parts import Parts
from tiltyard_api.parts.reading import SHORT_PAGE, Followed, Reading
from tiltyard_api.stream.catch_up import catch_up, patiently

RECENT_SECONDS = 120.0
"""Far longer than a transaction that ends a job may take: its end is dated from its beginning."""


async def follow_job(here: Parts, job: str, after: int) -> AsyncGenerator[list[str], None]:
    """Every event of a job behind `after`, in order and as they come, and its end behind the last one.

    An empty list is a sign of life: nothing happened for a while.
    """
    limit = SHORT_PAGE
    with here.hints.subscribe(job) as bell:
        while True:
            reading = await patiently(here, partial(here.reader.read, job, after, limit=limit))
            yield reading.frames
            after, limit = reading.seq, reading.next_page
            if reading.end:
                return
            if not reading.more:
                await bell.wait(here.pace.poll)


async def follow_many(
    here: Parts, known: dict[str, int], of: Followed, *, jobs: Collection[str] | None
) -> AsyncGenerator[list[str], None]:
    """Every event of many jobs, each job's in order, and each job's end; jobs that come to be are followed too.

    Ends when all of `jobs` have ended, where they are named, and when all jobs of a sweep have.

    Args:
        here: the gateway.
        known: the `seq` that the follower has of each job; it is kept up to date.
        of: follow these jobs alone.
        jobs: follow these jobs alone.
    """
    ended: set[str] = set()
    open_: set[str] = set()
    looks = _Looks(jobs, every=here.pace.poll)
    with here.hints.subscribe() as bell:
        while jobs is None or not ended.issuperset(jobs):
            wanted, ended_within = looks.next()
            ask = partial(here.reader.stand, of, jobs=wanted, ended_within=ended_within)
            now = await patiently(here, ask)
            if jobs:  # one that is not there was deleted, or is of another experiment
                ended.update(job for job in wanted or () if job not in now)
            async for frames in catch_up(here, now, known, ended):
                yield frames
            yield []
            open_ = (open_ | set(now)) - ended
            if of.sweep is not None and not open_ and looks.was_whole:
                return
            # Where nothing is known to be open, only a look at all of them can tell whether there is more.
            looks.rung = await bell.wait(here.pace.poll) if of.sweep is None or open_ else set()


class _Looks:
    """Which jobs to look at: those that rang, and every few seconds all of them, which repairs the hints that were lost.

    Where all means every job there is, what ended long before the last such look was seen then, and is left out.
    """

    def __init__(self, jobs: Collection[str] | None, *, every: float) -> None:
        self._jobs = jobs
        self._every = every
        self._all_at = float("-inf")
        self.rung: set[str] = set()
        self.was_whole = False
        """Whether the last look was at all of them."""

    def next(self) -> tuple[Collection[str] | None, float | None]:
        """The jobs to look at now, None for every job there is; and how many seconds ago they may have ended."""
        now = asyncio.get_running_loop().time()
        since = now - self._all_at
        self.was_whole = not self.rung or since >= self._every
        if self.was_whole:
            self._all_at = now
            return self._jobs, RECENT_SECONDS if self._jobs is None and since < RECENT_SECONDS / 2 else None
        return (self.rung if self._jobs is None else self.rung.intersection(self._jobs)), None


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
