"""What a client does to see what happens: the part of `AsyncClient`, and of `Client`, that is about events and logs."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from tiltyard.client import stream, stream_many
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.wire.events import End, Event, Frame
from tiltyard.wire.jobs import Job


class FollowCalls(Calls):
    """The calls of an `AsyncClient` that are about what happens to jobs."""

    async def wait(self, job: str | Job, *, timeout: float | None = None) -> Job:  # noqa: ASYNC109 - as Future.result
        """The job when it is final, whatever happens to the connection meanwhile.

        Raises:
            TimeoutError: it was not final within `timeout` seconds.
            Unreachable: the gateway was away for longer than the client's patience; the job may be running.
        """
        async with asyncio.timeout(timeout):
            found = await self._job(job)
            if not found.state.final:
                async with aclosing(self._follow(found, found.seq)) as frames:
                    async for _ in frames:
                        pass
                found = await self._job(found)
        return found

    def follow(self, job: str | Job, *, after: int = -1) -> AsyncGenerator[Event | End, None]:
        """Every event of a job behind `after`, once and in order, as it happens; the last is the `End`."""
        return self._follow(job, after)

    async def _follow(self, job: str | Job, after: int) -> AsyncGenerator[Frame, None]:
        frames = stream.follow(self._connection, await self._id(job), after=after, patience=self._patience)
        async with aclosing(frames):
            async for frame in frames:
                yield frame

    async def follow_many(
        self, *, experiment: str | None = None, jobs: Sequence[str | Job] | None = None
    ) -> AsyncGenerator[Event | End, None]:
        """The events of many jobs by one connection, each job's once and in order, each with an `End`.

        With `jobs` it ends with the last of them; with an experiment, or neither, it goes on for jobs yet to come.
        """
        wanted = None if jobs is None else [await self._id(job) for job in jobs]
        frames = stream_many.follow_many(
            self._connection, experiment=experiment, jobs=wanted, patience=self._patience
        )
        async with aclosing(frames):
            async for frame in frames:
                yield frame

    async def events(self, job: str | Job, *, after: int = -1) -> list[Event]:
        """The events of a job that have happened so far, behind `after`."""
        path = f"jobs/{await self._id(job)}/events"
        return await stream.read_history(self._connection, path, after=after)

    async def log(self, job: str | Job, *, stream: str | None = None) -> str:
        """What a job has printed so far, on `stdout`, `stderr` or (None) both."""
        answer = await self._connection.send(
            "GET", f"jobs/{await self._id(job)}/log", params={"stream": stream}
        )
        return answer.content.decode(errors="replace")


class DrivenFollowCalls(Driven):
    """The same for a `Client`."""

    _client: FollowCalls

    def wait(self, job: str | Job, *, timeout: float | None = None) -> Job:
        """The job when it is final, whatever happens to the connection meanwhile."""
        return self._portal.run(self._client.wait(job, timeout=timeout))

    def follow(self, job: str | Job, *, after: int = -1) -> Iterator[Event | End]:
        """Every event of a job behind `after`, once and in order, as it happens; the last is the `End`."""
        return self._portal.iterate(self._client.follow(job, after=after))

    def follow_many(
        self, *, experiment: str | None = None, jobs: Sequence[str | Job] | None = None
    ) -> Iterator[Event | End]:
        """The events of many jobs by one connection, each job's once and in order, each with an `End`."""
        return self._portal.iterate(self._client.follow_many(experiment=experiment, jobs=jobs))

    def events(self, job: str | Job, *, after: int = -1) -> list[Event]:
        """The events of a job that have happened so far, behind `after`."""
        return self._portal.run(self._client.events(job, after=after))

    def log(self, job: str | Job, *, stream: str | None = None) -> str:
        """What a job has printed so far, on `stdout`, `stderr` or (None) both."""
        return self._portal.run(self._client.log(job, stream=stream))
