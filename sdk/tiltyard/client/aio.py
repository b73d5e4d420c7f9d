"""A testbed for programs that have an event loop."""

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from tiltyard.client import download as downloading
from tiltyard.client import stream, stream_many, upload
from tiltyard.client.artifacts import ArtifactCalls
from tiltyard.client.connection import Connection, given, segment
from tiltyard.client.models import ModelCalls
from tiltyard.client.pages import read_pages
from tiltyard.client.plugins import PluginCalls
from tiltyard.client.provenance import ProvenanceCalls
from tiltyard.client.results import ResultCalls
from tiltyard.client.submission import Changes, Choices, Chosen, Wanted, as_body, as_filter, plain
from tiltyard.client.sweep_results import SweepResultCalls
from tiltyard.client.sweeps import SweepCalls
from tiltyard.client.tracking import TrackingCalls
from tiltyard.profile import load_profile
from tiltyard.wire.archives import Archive
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import End, Event, Frame
from tiltyard.wire.experiments import Experiment
from tiltyard.wire.explanations import Explanation
from tiltyard.wire.history import ExportedJob, Pruned
from tiltyard.wire.jobs import CancelledMany, Dependency, Job, Validation
from tiltyard.wire.queues import Queue
from tiltyard.wire.workers import Worker, WorkerOrder

_DIGEST = re.compile("[0-9a-f]{64}")
_JOB_ID = re.compile("[0-9a-f]{20}")


class AsyncClient(
    ArtifactCalls,
    ModelCalls,
    PluginCalls,
    TrackingCalls,
    ProvenanceCalls,
    ResultCalls,
    SweepResultCalls,
    SweepCalls,
):
    """A testbed: the one that `url` and `token` name, or the environment, or the profile.

    A job is named by its id, or by the beginning of one when no other job's id begins so.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60,
        retry_for: float = 10,
    ) -> None:
        """Take an address; nothing is sent yet.

        Args:
            url: The gateway's address, such as `http://127.0.0.1:8420`.
            token: A user's token.
            patience: Seconds that following a job bears an unreachable gateway.
            retry_for: Seconds that any other request does.

        Raises:
            NoTestbed: no testbed was given, and none is known here.
        """
        testbed = load_profile(url=url, token=token)
        self.url = testbed.url
        self._patience = patience
        self._connection = Connection(testbed.url, testbed.token, retry_for=retry_for)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()

    async def upload(self, path: str | PathLike[str], *, progress: upload.Progress | None = None) -> Archive:
        """Store a folder or an archive file; what the gateway knows already is not sent again.

        Raises:
            ArchiveRefused: the folder holds what an archive may not.
            Refused: the gateway will not have the archive; `code` names the rule.
        """
        return await upload.upload(self._connection, Path(path), progress)

    async def submit(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Job:
        """Submit a job: a folder, an archive file, or the digest of an archive that was uploaded before.

        `wanted` is `experiment` and, where the default will not do, what `Choices` lists: `entry_point`, `parameters`,
        `queue`, `timeout`, `after`, `priority` and others. Submitting again with the same `idempotency_key` gives the job
        that the first time made.

        Raises:
            Refused: the submission is wrong; `errors` holds everything that is wrong with it.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = await self._body(wanted, archive=await self._stored(archive))
        return await self._connection.ask(Job, "POST", "jobs", json=body, headers=key, repeatable=True)

    async def validate(self, archive: str | PathLike[str] | Archive, **wanted: Unpack[Wanted]) -> Validation:
        """Check a submission, given as to `submit`, and start nothing.

        Raises:
            Refused: the submission is wrong; `errors` holds everything that is wrong with it.
        """
        body = await self._body(wanted, archive=await self._stored(archive))
        return await self._connection.ask(Validation, "POST", "jobs:validate", json=body, repeatable=True)

    async def retry(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Submit a job that failed or was cancelled once more; the new job names it as its `parent`.

        Raises:
            Refused: it has not ended, it succeeded, or it never ran because of what it waited for.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return await self._connection.ask(
            Job, "POST", f"jobs/{await self._id(job)}/retry", headers=key, repeatable=True
        )

    async def clone(
        self, job: str | Job, *, idempotency_key: str | None = None, **changes: Unpack[Changes]
    ) -> Job:
        """Submit a job like another one but for `changes`; the new job names it as its `parent`.

        It waits for nothing unless `after` or `start_at` is among the changes.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = await self._body(changes)
        return await self._connection.ask(
            Job, "POST", f"jobs/{await self._id(job)}/clone", json=body, headers=key, repeatable=True
        )

    async def _body(self, wanted: Choices, **more: str) -> dict[str, Any]:
        after = wanted.get("after")
        if after is None:
            return as_body(wanted, **more)
        named = [one if isinstance(one, Dependency) else Dependency(job=_name(one)) for one in after]
        whole = [{"job": await self._id(one.job), "condition": one.condition.value} for one in named]
        return {**as_body(wanted, **more), "after": whole}

    async def _stored(self, archive: str | PathLike[str] | Archive) -> str:
        if isinstance(archive, Archive):
            return archive.sha256
        if isinstance(archive, str) and _DIGEST.fullmatch(archive):
            return archive
        return (await self.upload(archive)).sha256

    async def job(self, job: str | Job) -> Job:
        """A job as it stands now."""
        return await self._connection.ask(Job, "GET", f"jobs/{segment(_name(job))}")

    async def _id(self, job: str | Job) -> str:
        """A job's whole id; the gateway is asked where only its beginning is given."""
        name = _name(job)
        return name if _JOB_ID.fullmatch(name) else (await self.job(name)).id

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

    async def wait(self, job: str | Job, *, timeout: float | None = None) -> Job:  # noqa: ASYNC109 - as Future.result
        """The job when it is final, whatever happens to the connection meanwhile.

        Raises:
            TimeoutError: it was not final within `timeout` seconds.
            Unreachable: the gateway was away for longer than the client's patience; the job may be running.
        """
        async with asyncio.timeout(timeout):
            found = await self.job(job)
            if not found.state.final:
                async with aclosing(self._follow(found, found.seq)) as frames:
                    async for _ in frames:
                        pass
                found = await self.job(found)
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

    async def artifacts(self, job: str | Job) -> list[Artifact]:
        """The files that a job has left so far."""
        path = f"jobs/{await self._id(job)}/artifacts"
        return [artifact async for artifact in read_pages(self._connection, Artifact, path)]

    async def download(self, job: str | Job, path: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch one artifact into a file, or into a folder under its own name; gives the file's path.

        Raises:
            NotFound: the job has left no such file.
            Damaged: what arrived is not what was stored.
        """
        name = await self._id(job)
        address = f"jobs/{name}/artifacts/{'/'.join(map(segment, path.split('/')))}"
        return await downloading.download(self._connection, address, path, Path(to))

    def experiments(self) -> AsyncIterator[Experiment]:
        """Every experiment."""
        return read_pages(self._connection, Experiment, "experiments")

    async def experiment(self, name: str) -> Experiment:
        """One experiment, and how its jobs stand."""
        return await self._connection.ask(Experiment, "GET", f"experiments/{segment(name)}")

    async def create_experiment(self, name: str, *, description: str = "") -> Experiment:
        """Make an experiment. A submission makes its own when there is none."""
        body = {"name": name, "description": description}
        return await self._connection.ask(Experiment, "POST", "experiments", json=body)

    async def update_experiment(
        self, name: str, *, new_name: str | None = None, description: str | None = None
    ) -> Experiment:
        """Change an experiment; what is None stays."""
        body = given({"name": new_name, "description": description})
        return await self._connection.ask(Experiment, "PATCH", f"experiments/{segment(name)}", json=body)

    async def delete_experiment(self, name: str) -> None:
        """Remove an experiment that has no jobs."""
        await self._connection.send("DELETE", f"experiments/{segment(name)}")

    def queues(self) -> AsyncIterator[Queue]:
        """Every queue, and how busy it is."""
        return read_pages(self._connection, Queue, "queues")

    async def create_queue(self, name: str, *, description: str = "") -> Queue:
        """Make a queue, for workers of a new image."""
        body = {"name": name, "description": description}
        return await self._connection.ask(Queue, "POST", "queues", json=body)

    async def update_queue(
        self, name: str, *, paused: bool | None = None, description: str | None = None
    ) -> Queue:
        """Pause or resume a queue, or describe it anew. A paused queue takes submissions and starts nothing."""
        body = given({"paused": paused, "description": description})
        return await self._connection.ask(Queue, "PATCH", f"queues/{segment(name)}", json=body)

    def workers(self) -> AsyncIterator[Worker]:
        """Every worker that was heard of lately."""
        return read_pages(self._connection, Worker, "workers")

    async def order_worker(self, worker: str, order: WorkerOrder | str | None) -> Worker:
        """Tell a worker to `drain` (finish, take nothing new) or to `stop` (hand back, end); None lets it rejoin."""
        verb = "rejoin" if order is None else WorkerOrder(order).value
        return await self._connection.ask(
            Worker, "POST", f"workers/{segment(worker)}/{verb}", repeatable=True
        )

    def exported(self) -> AsyncIterator[ExportedJob]:
        """The jobs that ended long ago and left the tables, those first that ended last."""
        return read_pages(self._connection, ExportedJob, "history")

    async def record(self, job: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch an exported job's record, JSON lines packed with gzip, into a file or a folder; gives the file's path."""
        return await downloading.download(
            self._connection, f"history/{segment(job)}/record", f"{job}.jsonl.gz", Path(to)
        )

    async def prune(self, *, older_than: str | float | timedelta, dry_run: bool = False) -> Pruned:
        """Export the jobs that ended longer ago than this, with their events; with `dry_run`, count them."""
        body = {"older_than": plain(older_than), "dry_run": dry_run}
        return await self._connection.ask(Pruned, "POST", "history:prune", json=body, repeatable=True)


def _name(job: str | Job) -> str:
    return job.id if isinstance(job, Job) else job
