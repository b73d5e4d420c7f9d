"""What of a bundle is to be written here: read to its last byte, judged, and held against the jobs that are here already."""

import asyncio
from dataclasses import dataclass, field

from pydantic import ValidationError

from tiltyard.canonical import canonical
from tiltyard.wire import Archive, ProblemItem
from tiltyard.wire.bundles import CellRecord, SweepRecord
from tiltyard.wire.environments import Environment
from tiltyard.wire.experiments import NAME_RULE, ExperimentDraft
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.parts import Parts
from tiltyard_api.transfer.upload import Upload
from tiltyard_orchestrator.bundle.framing import BundleRefused, Opened, malformed, open_bundle
from tiltyard_orchestrator.bundle.judging import Judged, blob_of, judge, judge_sweeps
from tiltyard_orchestrator.bundle.room import Room
from tiltyard_orchestrator.storage.bundles.write import Known, experiment_id, jobs_here
from tiltyard_orchestrator.storage.plugins.push import NewVersion
from tiltyard_orchestrator.storage.queues import queue_names

BATCH = 1_000
LARGEST_ENVIRONMENT = 4 << 20
MOST_NEW_QUEUES = 100
SHOWN = 20


@dataclass(kw_only=True)
class Plan:
    """What of a bundle is to be written."""

    opened: Opened
    experiment: ExperimentDraft
    there: bool
    """Whether the experiment is here, from an earlier import of its jobs."""
    jobs: list[Judged]
    """Those that are not here yet."""
    skipped: int
    environments: dict[str, Environment]
    sweeps: list[tuple[SweepRecord, list[CellRecord]]]
    """All of them; those that are here already are passed over."""
    archives: list[Archive] = field(default_factory=list)
    plugins: list[tuple[NewVersion, str]] = field(default_factory=list)
    """With the queue whose worker is to load each."""
    keys: list[str] = field(default_factory=list)
    """Of the store: what nothing names until the rows are there."""


async def planned(here: Parts, upload: Upload, name: str | None) -> Plan:
    """Read a bundle, and say what of it is new here.

    Raises:
        BundleRefused: it is none, it was changed, or it cannot be.
        Refused: it does not go with what is here.
    """
    async with here.inspections:
        opened = await asyncio.to_thread(open_bundle, upload.path)
        room = Room()
        environments = await asyncio.to_thread(_environments, opened, room)
        jobs = await asyncio.to_thread(_judged, opened, environments, room)
        sweeps = await asyncio.to_thread(judge_sweeps, opened, room)
    plan = await _plan(here, opened, jobs, environments, name)
    plan.sweeps = sweeps
    return plan


def _environments(opened: Opened, room: Room) -> dict[str, Environment]:
    found = {}
    for sha256 in opened.index.environments:
        name = blob_of(sha256)
        if name not in opened.places:
            raise BundleRefused("bad_bundle", name, f"{name} is named and not there")
        size = opened.places[name][1]
        if size > LARGEST_ENVIRONMENT:
            raise BundleRefused("bad_bundle", name, f"{name} is too large for an environment")
        room.keep(name, size)
        raw = opened.content(name)
        try:
            found[sha256] = Environment.model_validate_json(raw)
        except ValidationError as error:
            raise malformed(name, error) from error
        if canonical(found[sha256]) != raw:
            raise BundleRefused("bad_bundle", name, f"{name} is not written as an environment is")
    return found


def _judged(opened: Opened, environments: dict[str, Environment], room: Room) -> list[Judged]:
    names = [entry.name for entry in opened.index.entries if entry.name.startswith("jobs/")]
    if len(names) != opened.index.jobs:
        raise BundleRefused("bad_bundle", "bundle.json", "bundle.json counts other jobs than it names")
    return [judge(opened, name, environments, room) for name in names]


async def _plan(
    here: Parts, opened: Opened, jobs: list[Judged], environments: dict[str, Environment], name: str | None
) -> Plan:
    said = opened.index.experiment
    try:
        experiment = ExperimentDraft(name=name or said.name, description=said.description)
    except ValidationError as error:
        raise invalid([ProblemItem(pointer="?as", code="bad_name", detail=NAME_RULE)], "bad_name") from error
    known: dict[str, Known] = {}
    async with here.database.transaction() as session:
        for start in range(0, len(jobs), BATCH):
            ids = [one.record.id for one in jobs[start : start + BATCH]]
            known |= await jobs_here(session, ids)
        there = await experiment_id(session, experiment.name) is not None
        queues = set(await queue_names(session))
    others = [one for one in jobs if one.record.id in known and known[one.record.id].manifest != one.manifest]
    if others:
        raise _other_jobs(others)
    new = [one for one in jobs if one.record.id not in known]
    _check_queues(new, queues)
    # Nothing is written into an experiment that came about here, whatever jobs of it a bundle names.
    came = any(one.came and one.experiment == experiment.name for one in known.values())
    if there and new and not came:
        detail = f"there is an experiment {experiment.name!r} already: import with another name (`--as NAME`, `?as=NAME`)"
        raise Refused(409, "name_taken", detail)
    return Plan(
        opened=opened,
        experiment=experiment,
        there=there,
        jobs=new,
        skipped=len(jobs) - len(new),
        environments=environments,
        sweeps=[],
    )


def _check_queues(jobs: list[Judged], queues: set[str]) -> None:
    new: set[str] = set()
    for one in jobs:
        new |= {one.record.queue} - queues
        if len(new) > MOST_NEW_QUEUES:
            detail = f"its jobs name more than {MOST_NEW_QUEUES} queues that are not here: make them first, if they are meant"
            raise BundleRefused("too_many_queues", one.entry, detail)


def _other_jobs(others: list[Judged]) -> Refused:
    items = [
        ProblemItem(
            pointer=f"/{one.entry}",
            code="job_exists",
            detail=f"job {one.record.id} is here with another manifest, or was exported from here",
        )
        for one in others[:SHOWN]
    ]
    detail = f"{len(others)} of its jobs are here already, and are not the same"
    return Refused(409, "job_exists", detail, items)
