"""Manifests: what is known of a job in one value, put together from its row, its history and its files.

The putting together is pure: a bundle that comes from elsewhere is judged by the very same.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.canonical import digest_of
from tiltyard.wire.environments import Environment
from tiltyard.wire.events import Event, EventKind
from tiltyard.wire.jobs import JobState, Reason
from tiltyard.wire.manifests import Manifest, ManifestExit, ManifestInput, OutputFile, Seed
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.domain.metrics import last_of_each, read_measurement
from tiltyard_orchestrator.storage.environments import read_environments
from tiltyard_orchestrator.storage.jobs.events import as_event
from tiltyard_orchestrator.storage.jobs.stories import tell
from tiltyard_orchestrator.storage.tables import ArtifactRow, EventRow, JobRow

SEEDS = ("seed", "random_state")
SEED_ENDINGS = ("_seed", "_random_state")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a manifest is made of."""

    row: JobRow
    states: Sequence[Event]
    """The job's state events, in order."""
    told: Iterable[Event] = ()
    """Its metric events behind the last start, in order."""
    files: Iterable[ArtifactRow] = ()
    """Those of its attempts; of others than the newest one they are passed over."""
    ran_in: Environment | None = field(default=None)


async def read_manifest(session: AsyncSession, job: str) -> Manifest | None:
    """The manifest of a job, by its whole id; None when there is no such job."""
    return (await read_manifests(session, [job])).get(job)


async def read_manifests(session: AsyncSession, jobs: Collection[str]) -> dict[str, Manifest]:
    """The manifests of jobs, by their whole ids; one that is not there is left out."""
    # They are read together with rows that were read before: anew, so that all of it is of one moment.
    query = select(JobRow).where(col(JobRow.id).in_(jobs)).execution_options(populate_existing=True)
    rows = list(await session.scalars(query))
    states = await _events(session, jobs, EventKind.state)
    told = await _events(session, jobs, EventKind.metric)
    files: dict[str, list[ArtifactRow]] = defaultdict(list)
    for file in await session.scalars(select(ArtifactRow).where(col(ArtifactRow.job_id).in_(jobs))):
        files[file.job_id].append(file)
    environments = await read_environments(session, {row.environment for row in rows if row.environment})
    return {
        row.id: make_manifest(
            Facts(
                row=row,
                states=states[row.id],
                told=[event for event in told[row.id] if event.seq > last_start(states[row.id])],
                files=files[row.id],
                ran_in=environments.get(row.environment or ""),
            )
        )
        for row in rows
    }


async def _events(session: AsyncSession, jobs: Collection[str], kind: EventKind) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    query = select(EventRow).where(col(EventRow.job_id).in_(jobs), col(EventRow.kind) == kind)
    for row in await session.scalars(query.order_by(col(EventRow.job_id), col(EventRow.seq))):
        found[row.job_id].append(as_event(row))
    return found


def last_start(states: Iterable[Event]) -> int:
    """The `seq` of the event that tells of the newest attempt's start; 0 where none has started."""
    return max((event.seq for event in states if event.data.get("state") == JobState.running), default=0)


def make_manifest(facts: Facts) -> Manifest:
    """The manifest that these facts come to."""
    row = facts.row
    measured = [read_measurement(event.data) for event in facts.told]
    manifest = Manifest(
        complete=JobState(row.state).final,
        job=row.id,
        parent=row.parent_id,
        archive=row.archive,
        entry_point=row.entry_point,
        parameters=row.parameters,
        command=row.command,
        queue=row.queue,
        plugins=[PluginPin.model_validate(pin) for pin in row.plugins],
        inputs=_inputs(row.inputs),
        environment=row.environment,
        ran_in=facts.ran_in,
        seeds=seeds_among(row.parameters),
        attempts=tell(facts.states),
        exit=_exit(row, facts.states),
        metrics={one.name: one.value for one in last_of_each(one for one in measured if one is not None)},
        outputs=_outputs(row, facts.files),
        tiltyard=None if facts.ran_in is None else facts.ran_in.packages.get("tiltyard"),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
    return (
        manifest.model_copy(update={"digest": manifest_digest(manifest)}) if manifest.complete else manifest
    )


def manifest_digest(manifest: Manifest) -> str:
    """The digest of a manifest, whatever it says that its digest is."""
    return digest_of(manifest.model_dump(mode="json", exclude={"digest"}))


def seeds_among(parameters: dict[str, Json]) -> list[Seed]:
    """The parameters that make chance repeatable, by what they are called."""
    return [
        Seed(parameter=name, value=value, found="its name")
        for name, value in sorted(parameters.items())
        if name.lower() in SEEDS or name.lower().endswith(SEED_ENDINGS)
    ]


def _inputs(records: Iterable[dict[str, Any]]) -> list[ManifestInput]:
    known = ManifestInput.model_fields.keys()
    found = [ManifestInput.model_validate({key: one[key] for key in known & one.keys()}) for one in records]
    return sorted(found, key=lambda one: one.parameter)


def _exit(row: JobRow, states: Sequence[Event]) -> ManifestExit:
    last = states[-1].data if states else {}
    return ManifestExit(
        state=JobState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        message=row.message,
        exit_code=last.get("exit_code"),
        signal=last.get("signal"),
    )


def _outputs(row: JobRow, files: Iterable[ArtifactRow]) -> list[OutputFile]:
    mine = [file for file in files if file.attempt == row.attempt and row.attempt > 0]
    newest = max((file.epoch for file in mine), default=0)
    return [
        OutputFile(path=file.path, size=file.size, sha256=file.sha256, media_type=file.media_type)
        for file in sorted(mine, key=lambda file: file.path)
        if file.epoch == newest
    ]
