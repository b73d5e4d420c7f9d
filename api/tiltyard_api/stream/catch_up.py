"""Catch up with many jobs: each one's events in order, and its end behind the last one.

Jobs of which little is new are read together, so that ten thousand that have ended are some dozens of queries. One with much
to tell is read page by page, as for those who follow it alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from tiltyard_api.http.problems import is_away
from tiltyard_api.parts import Parts
from tiltyard_api.parts.reading import PAGE, SHORT_PAGE, JobGone, is_large
from tiltyard_orchestrator.storage.jobs.events import Standing

Answer = TypeVar("Answer")

RETRY_SECONDS = 0.5
TOGETHER = 2 * PAGE
"""Events of many jobs that are read by one query, while they are small."""
CROWD = 8
"""Fewer jobs are read one by one: others who follow them ask the same."""


class Away(Exception):
    """The database was away for longer than a stream has patience."""


async def catch_up(
    here: Parts, now: Mapping[str, Standing], known: dict[str, int], ended: set[str]
) -> AsyncGenerator[list[str], None]:
    """What a follower has not been sent of these jobs.

    Args:
        here: the gateway.
        now: how the jobs stand.
        known: the `seq` that the follower has of each; it is kept up to date.
        ended: the jobs of which nothing more is to come; it is kept up to date.
    """
    room = SHORT_PAGE
    few: dict[str, int] = {}
    events = 0
    for job, stands in now.items():
        after = known.get(job, -1)
        if job in ended or not _has_news(stands, after):
            continue
        if stands.seq - after > SHORT_PAGE:
            async for frames in _catch_up_one(here, job, known, ended):
                yield frames
            continue
        few[job] = after
        events += max(0, stands.seq - after) + 1
        if events >= room:
            async for frames in _catch_up_few(here, few, known, ended):
                yield frames
                room = SHORT_PAGE if is_large(frames) else TOGETHER
            few, events = {}, 0
    async for frames in _catch_up_few(here, few, known, ended):
        yield frames


def _has_news(stands: Standing, seq: int) -> bool:
    return stands.seq > seq or stands.state.final


async def _catch_up_few(
    here: Parts, few: Mapping[str, int], known: dict[str, int], ended: set[str]
) -> AsyncGenerator[list[str], None]:
    if len(few) < CROWD:
        for job in few:
            async for frames in _catch_up_one(here, job, known, ended):
                yield frames
        return
    read = await patiently(here, partial(here.reader.read_many, tuple(sorted(few.items()))))
    ended.update(few.keys() - read.keys())  # they were deleted, and nobody waits for their end any more
    yield [frame for reading in read.values() for frame in reading.frames]
    for job, reading in read.items():
        known[job] = reading.seq
        if reading.end:
            ended.add(job)
        elif reading.more:  # it went on meanwhile
            async for frames in _catch_up_one(here, job, known, ended):
                yield frames


async def _catch_up_one(
    here: Parts, job: str, known: dict[str, int], ended: set[str]
) -> AsyncGenerator[list[str], None]:
    more, limit = True, SHORT_PAGE
    while more:
        try:
            reading = await patiently(here, partial(here.reader.read, job, known.get(job, -1), limit=limit))
        except JobGone:  # nobody waits for its end any more
            ended.add(job)
            return
        yield reading.frames
        known[job] = reading.seq
        more, limit = reading.more, reading.next_page
        if reading.end:
            ended.add(job)


async def patiently(here: Parts, read: Callable[[], Awaitable[Answer]]) -> Answer:
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
