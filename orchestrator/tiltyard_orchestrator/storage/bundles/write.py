"""Importing: the rows of a bundle's jobs, in one transaction, which holds all of them or none. Their bytes are stored before.

A job that comes is in its final state from the first moment: no trigger is passed by, no worker is rung for.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.bundles import ArtifactRecord, JobRecord, PostedRecord
from tiltyard.wire.events import Event
from tiltyard_orchestrator.domain.metrics import last_of_each, read_measurement
from tiltyard_orchestrator.domain.sweep.digest import cell_digest
from tiltyard_orchestrator.storage.bundles.jobs import as_columns
from tiltyard_orchestrator.storage.jobs.manifests import read_manifests
from tiltyard_orchestrator.storage.tables import (
    ArtifactRow,
    EventRow,
    ExperimentRow,
    ExportedJobRow,
    JobRow,
    MetricRow,
    PostedMetricRow,
    QueueRow,
)

BATCH = 1_000
IMPORTED_QUEUE = "Came with imported jobs."


class Known(NamedTuple):
    """A job that is here."""

    experiment: str
    manifest: str | None
    """The digest of its manifest; None of one that was exported to history, which has none any more."""
    came: bool
    """Whether a bundle brought it."""


async def jobs_here(session: AsyncSession, jobs: Collection[str]) -> dict[str, Known]:
    """Of these jobs, those that are here."""
    found: dict[str, Known] = {}
    rows = await session.execute(
        select(col(JobRow.id), col(ExperimentRow.name), col(JobRow.bundle))
        .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
        .where(col(JobRow.id).in_(jobs))
    )
    manifests = await read_manifests(session, jobs)
    for job, experiment, bundle in rows.all():
        manifest = manifests.get(job)
        found[job] = Known(experiment, None if manifest is None else manifest.digest, bundle is not None)
    left = await session.execute(
        select(col(ExportedJobRow.id), col(ExportedJobRow.experiment)).where(col(ExportedJobRow.id).in_(jobs))
    )
    return found | {job: Known(experiment, None, came=False) for job, experiment in left.all()}


async def ensure_queues(session: AsyncSession, names: Collection[str]) -> None:
    """Make the queues that jobs name and that are not here: nobody serves them, and nothing waits in them."""
    if names:
        await session.execute(
            upsert(QueueRow)
            .values([{"name": name, "description": IMPORTED_QUEUE} for name in sorted(names)])
            .on_conflict_do_nothing(index_elements=["name"])
        )


async def experiment_id(session: AsyncSession, name: str) -> str | None:
    """The id of an experiment, held until the commit so that nobody removes it meanwhile."""
    query = select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == name)
    return await session.scalar(query.with_for_update(key_share=True, read=True))


class Left(Protocol):
    """What a job is and left, but for its history."""

    @property
    def record(self) -> JobRecord:
        """What it is."""

    @property
    def files(self) -> Sequence[ArtifactRecord]:
        """Every file of every attempt, and those that were added."""

    @property
    def told(self) -> Sequence[Event]:
        """What its newest attempt measured last of each metric."""

    @property
    def posted(self) -> Sequence[PostedRecord]:
        """What others recorded for it."""


async def insert_jobs(
    session: AsyncSession, records: Iterable[JobRecord], *, experiment: str, bundle: str
) -> None:
    """Write jobs as they ended. By what a sweep knows each is worked out: no bundle passes one job off as another."""
    same = {"experiment_id": experiment, "bundle": bundle}
    rows = [as_columns(record) | {"digest": _known_by(record)} | same for record in records]
    await session.execute(insert(JobRow), rows)


def _known_by(record: JobRecord) -> str | None:
    if record.digest is None:
        return None
    return cell_digest(
        archive=record.archive,
        entry_point=record.entry_point,
        parameters=record.parameters,
        inputs={str(one.get("parameter")): str(one.get("reference")) for one in record.inputs},
        plugins=record.plugins,
    )


async def insert_events(session: AsyncSession, events: Sequence[Event]) -> None:
    """Write parts of histories."""
    if events:
        rows = [
            {"job_id": event.job, **event.model_dump(exclude={"job", "kind"}), "kind": event.kind.value}
            for event in events
        ]
        await session.execute(insert(EventRow), rows)


async def insert_results(session: AsyncSession, jobs: Sequence[Left]) -> None:
    """Write what jobs left: their files, their metrics as they stand, and what others recorded for them."""
    files = [{"job_id": one.record.id, **file.model_dump()} for one in jobs for file in one.files]
    posted = [{"job_id": one.record.id, **given.model_dump()} for one in jobs for given in one.posted]
    standing = [row for one in jobs for row in _standing(one.record, one.told, one.posted).values()]
    for table, rows in ((ArtifactRow, files), (PostedMetricRow, posted), (MetricRow, standing)):
        for start in range(0, len(rows), BATCH):
            await session.execute(insert(table), rows[start : start + BATCH])


def _standing(
    record: JobRecord, told: Iterable[Event], posted: Iterable[PostedRecord]
) -> dict[str, dict[str, object]]:
    """The last value of each metric: of what the newest attempt told, and of what was recorded for the job after it."""
    measured = [one for event in told if (one := read_measurement(event.data)) is not None]
    standing: dict[str, dict[str, object]] = {}
    steps: dict[str, int] = {}
    for one in last_of_each(measured):
        steps[one.name] = one.step
        standing[one.name] = _metric(record, one.name, one.value, one.step, record.attempt)
    for other in posted:
        if other.step >= steps.get(other.name, other.step):
            steps[other.name] = other.step
            standing[other.name] = _metric(record, other.name, other.value, other.step, 0) | {"at": other.at}
    return standing


def _metric(record: JobRecord, name: str, value: float, step: int, attempt: int) -> dict[str, object]:
    return {
        "job_id": record.id,
        "name": name,
        "value": value,
        "step": step,
        "attempt": attempt,
        "at": record.finished_at,
    }
