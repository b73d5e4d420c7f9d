"""The event stream: what a follower is sent, pulled from the database by `seq`.

There is no buffer per follower and no push to lose. A hint or the five-second poll wakes the reader, the reader asks for
what comes after the `seq` that it has sent, and sends it. So an event is sent once, in its place, whatever happened to
hints, brokers and gateways in between; a follower that was cut off comes back with its own `seq`.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress

import structlog

from tiltyard.wire import End, Event, Frame
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.storage.database import is_unavailable
from tiltyard_orchestrator.storage.events import Standing, read_events, standing, standings

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
PAGE = 500
DATABASE_PAUSE_SECONDS = 1.0


async def follow_job(here: Parts, job: str, after: int) -> AsyncIterator[list[Frame]]:
    """Every event of a job behind `after`, in order and as they come, and `End` behind the last one.

    An empty list is a sign of life: nothing happened for a while.
    """
    with here.hints.subscribe(job) as bell:
        while True:
            read = await _read(here, job, after)
            if read is not None:
                now, events = read
                frames: list[Frame] = list(events)
                after = events[-1].seq if events else after
                ended = now.state.final and after >= now.seq
                if ended:
                    frames.append(End(job=job, state=now.state, seq=now.seq))
                yield frames
                if ended:
                    return
                if after < now.seq or len(events) == PAGE:
                    continue
            await bell.wait(POLL_SECONDS if read is not None else DATABASE_PAUSE_SECONDS)


async def follow_many(
    here: Parts, known: dict[str, int], *, experiment: str | None, jobs: Collection[str] | None
) -> AsyncIterator[list[Frame]]:
    """Every event of many jobs, each job's in order, and each job's `End`; jobs that come to be are followed too.

    Args:
        here: the gateway.
        known: the `seq` that the follower has of each job; it is kept up to date.
        experiment: follow the jobs of this experiment alone.
        jobs: follow these jobs alone.
    """
    ended: set[str] = set()
    changed: Collection[str] | None = jobs
    with here.hints.subscribe() as bell:
        while True:
            now = await _stand(here, experiment, changed)
            for job, stands in (now or {}).items():
                if job in ended:
                    continue
                async for frames in _catch_up(here, job, stands, known):
                    yield frames
                    if any(isinstance(frame, End) for frame in frames):
                        ended.add(job)
            yield []
            rung = await bell.wait(POLL_SECONDS if now is not None else DATABASE_PAUSE_SECONDS)
            # A poll that was not rung for looks at everything: it repairs the hints that were lost.
            changed = (rung & set(jobs) if jobs is not None else rung) if rung and now is not None else jobs


async def _catch_up(
    here: Parts, job: str, stands: Standing, known: dict[str, int]
) -> AsyncIterator[list[Frame]]:
    while True:
        after = known.get(job, -1)
        events: list[Event] = []
        if after < stands.seq:
            read = await _read(here, job, after)
            if read is None:
                return
            stands, events = read
        frames: list[Frame] = list(events)
        known[job] = events[-1].seq if events else after
        if stands.state.final and known[job] >= stands.seq:
            frames.append(End(job=job, state=stands.state, seq=stands.seq))
            yield frames
            return
        if frames:
            yield frames
        if known[job] >= stands.seq or not events:
            return


async def _read(here: Parts, job: str, after: int) -> tuple[Standing, list[Event]] | None:
    """Where a job stands and its next events; None when the database is away."""
    try:
        async with here.database.transaction() as session:
            # In this order: what is read second holds everything that the first says is there.
            now = await standing(session, job)
            events = await read_events(session, job, after=after, limit=PAGE)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return None
    if now is None:  # its experiment was deleted under the follower
        raise JobGone(job)
    return now, events


async def _stand(
    here: Parts, experiment: str | None, jobs: Collection[str] | None
) -> dict[str, Standing] | None:
    try:
        async with here.database.transaction() as session:
            return await standings(session, experiment=experiment, jobs=jobs)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return None


class JobGone(LookupError):
    """The job was deleted while it was followed."""


async def next_page(
    here: Parts, job: str, after: int, *, limit: int, wait: float
) -> tuple[Standing, list[Event]] | None:
    """What a long poll answers: the next events, or none when none came for `wait` seconds."""
    deadline = asyncio.get_running_loop().time() + wait
    with here.hints.subscribe(job) as bell:
        while True:
            async with here.database.transaction() as session:
                now = await standing(session, job)
                events = await read_events(session, job, after=after, limit=limit)
            if now is None:
                return None
            left = deadline - asyncio.get_running_loop().time()
            if events or now.state.final or left <= 0 or here.draining.is_set():
                return now, events
            with suppress(TimeoutError):
                await bell.wait(min(left, POLL_SECONDS))
