"""Reads a job's history for whoever follows it. Followers who ask for the same at the same moment share one query.

A question is shared only until its query starts: whoever heard of something new just now is never given an answer from
before. Few queries run at a time, so that any number of followers leaves the workers' reports the connections they need.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import End, Event
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.events import (
    Standing,
    read_events,
    read_events_of_many,
    standing,
    standings,
)

Answer = TypeVar("Answer")

PAGE = 100
"""Events of one query."""
SHORT_PAGE = 16
"""Of one query for large events, such as a log's: a page is held in memory for every follower that is slow to take it."""
LARGE = 2_500
"""Characters of an event."""
QUERIES = 4


class JobGone(LookupError):
    """The job was deleted while it was followed."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The next events of a job, and where it stands."""

    job: str
    seq: int
    """The `seq` to go on from."""
    events: list[Event]
    standing: Standing

    @property
    def more(self) -> bool:
        """Whether more events are there already."""
        return self.seq < self.standing.seq

    @property
    def end(self) -> End | None:
        """The last frame, when nothing comes after these events any more."""
        if self.more or not self.standing.state.final:
            return None
        return End(job=self.job, state=self.standing.state, seq=self.standing.seq)

    @cached_property
    def frames(self) -> list[str]:
        """The events, and the end, as they are sent; written once for all who share this reading."""
        end = self.end
        return [frame.model_dump_json() for frame in (*self.events, *((end,) if end else ()))]

    @property
    def next_page(self) -> int:
        """How many events to ask for next, going by these."""
        return SHORT_PAGE if is_large(self.frames) else PAGE


def is_large(frames: Sequence[str]) -> bool:
    """Whether frames are so large that few are to be read at a time."""
    return sum(map(len, frames)) > LARGE * len(frames)


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Which jobs a stream of many is of: those that are there, and those that come."""

    experiment: str | None = None
    sweep: str | None = None
    """Its cells' jobs, and those that were made for it before they were."""


class Reader:
    """Reads histories."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(QUERIES)
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, job: str, after: int, *, limit: int = PAGE) -> Reading:
        """The next events of a job behind `after`, so many at most.

        Raises:
            JobGone: there is no such job any more.
        """
        return await self._share((job, after, limit), partial(_read, job, after, limit))

    async def read_many(self, places: tuple[tuple[str, int], ...]) -> dict[str, Reading]:
        """The next events of many jobs, each behind its own `seq`, a few of each; without the jobs that are gone."""
        return await self._share(places, partial(_read_many, places))

    async def stand(
        self, of: Followed, *, jobs: Collection[str] | None, ended_within: float | None = None
    ) -> Mapping[str, Standing]:
        """Where the histories of many jobs stand; without those that ended longer ago, in seconds."""
        question = (of, None if jobs is None else frozenset(jobs), ended_within)
        ask = partial(
            standings, experiment=of.experiment, sweep=of.sweep, jobs=jobs, ended_within=ended_within
        )
        return await self._share(question, ask)

    async def _share(self, question: Hashable, ask: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
        task: asyncio.Task[Answer] | None = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.create_task(self._answer(question, ask))
            task.add_done_callback(_note_failure)
        return await asyncio.shield(task)

    async def _answer(self, question: Hashable, ask: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
        try:
            await self._turns.acquire()
        finally:
            del self._asked[question]  # who asks from here on may know of something newer
        try:
            async with self._database.transaction() as session:
                return await ask(session)
        finally:
            self._turns.release()


async def _read(job: str, after: int, limit: int, session: AsyncSession) -> Reading:
    # In this order: what is read second holds everything that the first says is there.
    now = await standing(session, job)
    events = await read_events(session, job, after=after, limit=limit)
    if now is None:
        raise JobGone(job)
    return Reading(job=job, seq=events[-1].seq if events else after, events=events, standing=now)


async def _read_many(places: tuple[tuple[str, int], ...], session: AsyncSession) -> dict[str, Reading]:
    now = await standings(session, jobs=[job for job, _ in places])  # first, as above
    found = await read_events_of_many(session, places, limit=SHORT_PAGE)
    return {
        job: Reading(job=job, seq=events[-1].seq if events else after, events=events, standing=now[job])
        for job, after in places
        if job in now
        for events in (found.get(job, []),)
    }


def _note_failure(task: asyncio.Task[Any]) -> None:
    # Everyone who asked may have gone by now; the failure is theirs, and not worth a word of the loop's.
    if not task.cancelled():
        task.exception()
