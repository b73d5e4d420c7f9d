"""A testbed for ordinary code. Every method is `AsyncClient`'s of the same name, driven to its end."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from tiltyard.client.aio import AsyncClient
from tiltyard.client.artifacts import DrivenArtifactCalls
from tiltyard.client.models import DrivenModelCalls
from tiltyard.client.plugins import DrivenPluginCalls
from tiltyard.client.portal import Portal
from tiltyard.client.provenance import DrivenProvenanceCalls
from tiltyard.client.results import DrivenResultCalls
from tiltyard.client.submission import Changes, Chosen, Wanted
from tiltyard.client.sweep_results import DrivenSweepResultCalls
from tiltyard.client.sweeps import DrivenSweepCalls
from tiltyard.client.tracking import DrivenTrackingCalls
from tiltyard.client.upload import Progress
from tiltyard.wire.archives import Archive
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import End, Event
from tiltyard.wire.experiments import Experiment
from tiltyard.wire.explanations import Explanation
from tiltyard.wire.history import ExportedJob, Pruned
from tiltyard.wire.jobs import CancelledMany, Job, Validation
from tiltyard.wire.queues import Queue
from tiltyard.wire.workers import Worker, WorkerOrder


class Client(
    DrivenArtifactCalls,
    DrivenModelCalls,
    DrivenPluginCalls,
    DrivenTrackingCalls,
    DrivenProvenanceCalls,
    DrivenResultCalls,
    DrivenSweepResultCalls,
    DrivenSweepCalls,
):
    """A testbed: the one that `url` and `token` name, or the environment, or the profile.

    A job is named by its id, or by the beginning of one when no other job's id begins so. For arguments and errors see
    `AsyncClient`; a client may be used by many threads, and by one process.

    Example:
        with Client() as testbed:
            job = testbed.submit("examples/digits_fgm", experiment="demo", parameters={"eps": 0.1})
            for event in testbed.follow(job):
                print(event)
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60,
        retry_for: float = 10,
    ) -> None:
        """Take an address; nothing is sent yet."""
        self._client = AsyncClient(url, token, patience=patience, retry_for=retry_for)
        self._portal = Portal()
        self.url = self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        if self._portal.close.alive:
            self._portal.run(self._client.close())
            self._portal.close()

    def upload(self, path: str | PathLike[str], *, progress: Progress | None = None) -> Archive:
        """Store a folder or an archive file; what the gateway knows already is not sent again."""
        return self._portal.run(self._client.upload(path, progress=progress))

    def submit(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Job:
        """Submit a job: a folder, an archive file, or the digest of an archive that was uploaded before."""
        return self._portal.run(self._client.submit(archive, idempotency_key=idempotency_key, **wanted))

    def validate(self, archive: str | PathLike[str] | Archive, **wanted: Unpack[Wanted]) -> Validation:
        """Check a submission, given as to `submit`, and start nothing."""
        return self._portal.run(self._client.validate(archive, **wanted))

    def job(self, job: str | Job) -> Job:
        """A job as it stands now."""
        return self._portal.run(self._client.job(job))

    def retry(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Submit a job that failed or was cancelled once more; the new job names it as its `parent`."""
        return self._portal.run(self._client.retry(job, idempotency_key=idempotency_key))

    def clone(self, job: str | Job, *, idempotency_key: str | None = None, **changes: Unpack[Changes]) -> Job:
        """Submit a job like another one but for `changes`; the new job names it as its `parent`."""
        return self._portal.run(self._client.clone(job, idempotency_key=idempotency_key, **changes))

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

    def artifacts(self, job: str | Job) -> list[Artifact]:
        """The files that a job has left so far."""
        return self._portal.run(self._client.artifacts(job))

    def download(self, job: str | Job, path: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch one artifact into a file, or into a folder under its own name; gives the file's path."""
        return self._portal.run(self._client.download(job, path, to))

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment."""
        return self._portal.iterate(self._client.experiments())

    def experiment(self, name: str) -> Experiment:
        """One experiment, and how its jobs stand."""
        return self._portal.run(self._client.experiment(name))

    def create_experiment(self, name: str, *, description: str = "") -> Experiment:
        """Make an experiment. A submission makes its own when there is none."""
        return self._portal.run(self._client.create_experiment(name, description=description))

    def update_experiment(
        self, name: str, *, new_name: str | None = None, description: str | None = None
    ) -> Experiment:
        """Change an experiment; what is None stays."""
        return self._portal.run(
            self._client.update_experiment(name, new_name=new_name, description=description)
        )

    def delete_experiment(self, name: str) -> None:
        """Remove an experiment that has no jobs."""
        self._portal.run(self._client.delete_experiment(name))

    def queues(self) -> Iterator[Queue]:
        """Every queue, and how busy it is."""
        return self._portal.iterate(self._client.queues())

    def create_queue(self, name: str, *, description: str = "") -> Queue:
        """Make a queue, for workers of a new image."""
        return self._portal.run(self._client.create_queue(name, description=description))

    def update_queue(self, name: str, *, paused: bool | None = None, description: str | None = None) -> Queue:
        """Pause or resume a queue, or describe it anew."""
        return self._portal.run(self._client.update_queue(name, paused=paused, description=description))

    def workers(self) -> Iterator[Worker]:
        """Every worker that was heard of lately."""
        return self._portal.iterate(self._client.workers())

    def order_worker(self, worker: str, order: WorkerOrder | str | None) -> Worker:
        """Tell a worker to `drain` (finish, take nothing new) or to `stop` (hand back, end); None lets it rejoin."""
        return self._portal.run(self._client.order_worker(worker, order))

    def exported(self) -> Iterator[ExportedJob]:
        """The jobs that ended long ago and left the tables, those first that ended last."""
        return self._portal.iterate(self._client.exported())

    def record(self, job: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch an exported job's record, JSON lines packed with gzip, into a file or a folder; gives the file's path."""
        return self._portal.run(self._client.record(job, to))

    def prune(self, *, older_than: str | float | timedelta, dry_run: bool = False) -> Pruned:
        """Export the jobs that ended longer ago than this, with their events; with `dry_run`, count them."""
        return self._portal.run(self._client.prune(older_than=older_than, dry_run=dry_run))
