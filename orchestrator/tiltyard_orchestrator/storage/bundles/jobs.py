"""What a bundle holds of a job, from its row and to it: the two ways are each other's inverse."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.bundles import ArtifactRecord, JobRecord, PostedRecord
from tiltyard.wire.events import Event
from tiltyard.wire.jobs import FINAL_STATES
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.storage.jobs.events import as_event
from tiltyard_orchestrator.storage.tables import (
    ArtifactRow,
    EventRow,
    ExperimentRow,
    JobRow,
    PluginVersionRow,
    PostedMetricRow,
)

_SAME = (
    "id", "archive", "entry_point", "parameters", "command", "queue", "timeout", "queue_timeout", "progress_timeout",
    "retry_on", "priority", "after", "start_at", "plugins", "inputs", "digest", "description", "tags", "state", "reason",
    "message", "attempt", "max_attempts", "epoch", "seq", "environment", "created_at", "started_at", "finished_at",
)  # fmt: skip
_RENAMED = {"sweep": "sweep_id", "parent": "parent_id"}
_JSON = ("after", "plugins")


def as_record(row: JobRow) -> JobRecord:
    """A job that has ended, as a bundle holds it."""
    values = {name: getattr(row, name) for name in _SAME}
    return JobRecord.model_validate(
        values | {name: getattr(row, column) for name, column in _RENAMED.items()}
    )


def as_columns(record: JobRecord) -> dict[str, Any]:
    """A bundle's job, as its row holds it."""
    values = {name: getattr(record, name) for name in _SAME}
    values |= {column: getattr(record, name) for name, column in _RENAMED.items()}
    values |= {name: [one.model_dump(mode="json") for one in getattr(record, name)] for name in _JSON}
    return values | {
        "retry_on": [failure.value for failure in record.retry_on],
        "state": record.state.value,
        "reason": None if record.reason is None else record.reason.value,
    }


def as_job_row(record: JobRecord) -> JobRow:
    """A bundle's job as a row that is in no table."""
    return JobRow(experiment_id="", **as_columns(record))


def as_artifact_row(job: str, record: ArtifactRecord) -> ArtifactRow:
    """A bundle's file as a row that is in no table."""
    return ArtifactRow(job_id=job, **record.model_dump())


async def ended_jobs(session: AsyncSession, experiment: str) -> list[tuple[str, int]] | None:
    """The ids of an experiment's jobs that have ended and the `seq` of each one's last event, the oldest first.

    None when there is no such experiment.
    """
    found = await session.scalar(select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == experiment))
    if found is None:
        return None
    query = select(col(JobRow.id), col(JobRow.seq)).where(col(JobRow.experiment_id) == found, _ended())
    rows = await session.execute(query.order_by(col(JobRow.created_at), col(JobRow.id)))
    return [(job, seq) for job, seq in rows.all()]


async def count_unended(session: AsyncSession, experiment: str) -> int:
    """How many of an experiment's jobs have not ended."""
    query = (
        select(func.count())
        .select_from(JobRow)
        .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
        .where(col(ExperimentRow.name) == experiment, ~_ended())
    )
    return int((await session.execute(query)).scalar_one())


async def read_records(session: AsyncSession, jobs: Collection[str]) -> dict[str, JobRecord]:
    """Jobs as a bundle holds them; one that is gone is left out."""
    rows = await session.scalars(select(JobRow).where(col(JobRow.id).in_(jobs)))
    return {row.id: as_record(row) for row in rows}


async def read_posted(session: AsyncSession, jobs: Collection[str]) -> dict[str, list[PostedRecord]]:
    """What others recorded for jobs, in the order in which they did."""
    rows = await session.scalars(
        select(PostedMetricRow)
        .where(col(PostedMetricRow.job_id).in_(jobs))
        .order_by(col(PostedMetricRow.number))
    )
    found: dict[str, list[PostedRecord]] = defaultdict(list)
    for row in rows:
        one = PostedRecord(name=row.name, value=row.value, step=row.step, at=row.at)
        found[row.job_id].append(one)
    return found


async def read_files(session: AsyncSession, jobs: Collection[str]) -> dict[str, list[ArtifactRecord]]:
    """Every file of every attempt of jobs, and those that were added."""
    rows = await session.scalars(
        select(ArtifactRow)
        .where(col(ArtifactRow.job_id).in_(jobs))
        .order_by(col(ArtifactRow.job_id), col(ArtifactRow.epoch), col(ArtifactRow.path))
    )
    found: dict[str, list[ArtifactRecord]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(ArtifactRecord.model_validate(row.model_dump(exclude={"job_id"})))
    return found


async def read_histories(session: AsyncSession, jobs: Collection[str]) -> dict[str, list[Event]]:
    """All events of jobs that have few."""
    rows = await session.scalars(
        select(EventRow)
        .where(col(EventRow.job_id).in_(jobs))
        .order_by(col(EventRow.job_id), col(EventRow.seq))
    )
    found: dict[str, list[Event]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(as_event(row))
    return found


async def versions_here(
    session: AsyncSession, pins: Collection[PluginPin]
) -> dict[tuple[str, str], tuple[str, int]]:
    """Of these versions, those that are here: the digest and the size of the files that stand under each name."""
    wanted = {(pin.name, pin.version) for pin in pins}
    rows = await session.scalars(
        select(PluginVersionRow).where(col(PluginVersionRow.plugin).in_({name for name, _ in wanted}))
    )
    return {
        (row.plugin, row.version): (row.sha256, row.size)
        for row in rows
        if (row.plugin, row.version) in wanted
    }


def _ended() -> Any:
    return col(JobRow.state).in_(sorted(state.value for state in FINAL_STATES))
