"""What a client does with jobs that are there: the part of `AsyncClient`, and of `Client`, that is about them."""

from collections.abc import AsyncIterator, Iterator
from typing import Unpack

from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.pages import read_pages
from tiltyard.client.submission import Chosen, as_filter
from tiltyard.wire.explanations import Explanation
from tiltyard.wire.jobs import CancelledMany, Job


class JobCalls(Calls):
    """The calls of an `AsyncClient` that are about jobs."""

    async def job(self, job: str | Job) -> Job:
        """A job as it stands now."""
        return await self._job(job)

    async def why(self, job: str | Job) -> Explanation:
        """Why a job is where it is: what it waits for, and how each of its attempts ended."""
        return await self._connection.ask(Explanation, "GET", f"jobs/{await self._id(job)}/why")

    def jobs(self, **chosen: Unpack[Chosen]) -> AsyncIterator[Job]:
        """Jobs, newest first, page after page."""
        return read_pages(self._connection, Job, "jobs", as_filter(chosen))

    async def cancel(self, job: str | Job) -> Job:
        """Ask for a job's end. A running one ends when its worker has stopped it; a final one stays as it is."""
        return await self._connection.ask(Job, "POST", f"jobs/{await self._id(job)}/cancel", repeatable=True)

    async def cancel_many(
        self, *, everything: bool = False, dry_run: bool = False, **chosen: Unpack[Chosen]
    ) -> CancelledMany:
        """Ask for the end of every job that fits and has not ended; with `dry_run`, count them.

        Where nothing else is given, `everything` must be.
        """
        fits = as_filter(chosen)
        body = {"states": fits.pop("state"), **fits, "everything": everything, "dry_run": dry_run}
        return await self._connection.ask(CancelledMany, "POST", "jobs:cancel", json=body, repeatable=True)


class DrivenJobCalls(Driven):
    """The same for a `Client`."""

    _client: JobCalls

    def job(self, job: str | Job) -> Job:
        """A job as it stands now."""
        return self._portal.run(self._client.job(job))

    def why(self, job: str | Job) -> Explanation:
        """Why a job is where it is: what it waits for, and how each of its attempts ended."""
        return self._portal.run(self._client.why(job))

    def jobs(self, **chosen: Unpack[Chosen]) -> Iterator[Job]:
        """Jobs, newest first, page after page."""
        return self._portal.iterate(self._client.jobs(**chosen))

    def cancel(self, job: str | Job) -> Job:
        """Ask for a job's end."""
        return self._portal.run(self._client.cancel(job))

    def cancel_many(
        self, *, everything: bool = False, dry_run: bool = False, **chosen: Unpack[Chosen]
    ) -> CancelledMany:
        """Ask for the end of every job that fits and has not ended; with `dry_run`, count them."""
        return self._portal.run(self._client.cancel_many(everything=everything, dry_run=dry_run, **chosen))
