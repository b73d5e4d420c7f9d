"""Writing a bundle from the tables and the store.

What the jobs say is written first, into a file without a name, so that the index can name its digests; the bytes of archives,
plugins and artifacts come straight from the store. Jobs that have not ended are left out and counted. The same jobs make the
same bundle, byte for byte.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tiltyard import __version__
from tiltyard.canonical import canonical
from tiltyard.wire.bundles import ArtifactRecord, BundleIndex, JobRecord, PostedRecord
from tiltyard.wire.events import Event
from tiltyard.wire.experiments import ExperimentDraft
from tiltyard.wire.manifests import Manifest
from tiltyard.wire.model import WireModel
from tiltyard_orchestrator.artifacts.keys import artifact_key
from tiltyard_orchestrator.artifacts.store import Missing, Store
from tiltyard_orchestrator.bundle.draft import Draft, Written, ready
from tiltyard_orchestrator.bundle.judging import SWEEPS, blob_of, entry_of
from tiltyard_orchestrator.storage.archives import archive_key, get_archive
from tiltyard_orchestrator.storage.bundles.jobs import (
    count_unended,
    ended_jobs,
    read_files,
    read_histories,
    read_posted,
    read_records,
    versions_here,
)
from tiltyard_orchestrator.storage.bundles.sweeps import ended_sweeps
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.environments import read_environments
from tiltyard_orchestrator.storage.experiments import get_experiment
from tiltyard_orchestrator.storage.jobs.events import read_events
from tiltyard_orchestrator.storage.jobs.manifests import read_manifests
from tiltyard_orchestrator.storage.plugins.read import plugin_key

PAGE = 2_000
AT_A_TIME = 16
"""Questions to the store."""


class Changing(RuntimeError):
    """A job went while the bundle was written."""


async def write_bundle(database: Database, store: Store, experiment: str, spool: Path) -> Written | None:
    """An experiment's ended jobs as a bundle; None when there is no such experiment.

    Raises:
        Missing: the store has not got the bytes of something.
        Changing: a job was removed or exported meanwhile.
        OSError: `spool` has no room for it.
    """
    async with database.transaction() as session:
        found = await get_experiment(session, experiment)
        jobs = await ended_jobs(session, experiment)
        left_out = await count_unended(session, experiment)
    if found is None or jobs is None:
        return None
    words = tempfile.TemporaryFile(dir=spool)  # noqa: SIM115 - it is closed with the answer, and has no name to leave behind
    draft = Draft(store=store, words=words)
    try:
        for some in _together(jobs):
            await _write_jobs(database, draft, some)
        await _write_surroundings(database, draft)
        await _write_sweeps(database, draft, experiment)
        await _check_sizes(store, list(draft.keys.values()))
        await asyncio.to_thread(words.flush)  # no answer has begun yet, should the disk be full
    except BaseException:
        with suppress(OSError):
            words.close()
        raise
    index = BundleIndex(
        tiltyard=__version__,
        experiment=ExperimentDraft(name=found.name, description=found.description),
        jobs=len(jobs),
        left_out=left_out,
        archives=list(draft.archives),
        plugins=list(draft.plugins.values()),
        environments=list(draft.environments),
        entries=draft.entries,
    )
    return ready(index, draft)


async def _check_sizes(store: Store, kept: Sequence[tuple[str, int]]) -> None:
    """Refuse before the first byte is sent what the store has lost; what it has changed is found out while it is sent."""
    for start in range(0, len(kept), AT_A_TIME):
        some = kept[start : start + AT_A_TIME]
        found = await asyncio.gather(*(store.size(key) for key, _ in some))
        for (key, size), there in zip(some, found, strict=True):
            if there != size:
                raise Missing(key)


def _together(jobs: Iterable[tuple[str, int]]) -> Iterator[dict[str, int]]:
    """Jobs with few events so many at a time that it is a page of them; one with more comes alone."""
    some: dict[str, int] = {}
    for job, seq in jobs:
        if some and sum(some.values()) + seq > PAGE:
            yield some
            some = {}
        some[job] = seq + 1
    if some:
        yield some


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What the tables say of some jobs."""

    records: dict[str, JobRecord]
    manifests: dict[str, Manifest]
    posted: dict[str, list[PostedRecord]]
    files: dict[str, list[ArtifactRecord]]
    histories: dict[str, list[Event]]


async def _write_jobs(database: Database, draft: Draft, jobs: dict[str, int]) -> None:
    few = sum(jobs.values()) <= PAGE
    async with database.transaction() as session:
        read = _Read(
            records=await read_records(session, jobs),
            manifests=await read_manifests(session, jobs),
            posted=await read_posted(session, jobs),
            files=await read_files(session, jobs),
            histories=await read_histories(session, jobs) if few else {},
        )
    for job in jobs:
        if job not in read.records or job not in read.manifests:
            raise Changing(job)
    if few:
        await asyncio.to_thread(_write_few, draft, read, jobs)
        return
    for job in jobs:
        await asyncio.to_thread(_begin, draft, read, job)
        await _write_history(database, draft, read.records[job])
        await asyncio.to_thread(_end, draft, read, job)


def _write_few(draft: Draft, read: _Read, jobs: Iterable[str]) -> None:
    for job in jobs:
        _begin(draft, read, job)
        _end(draft, read, job)


def _begin(draft: Draft, read: _Read, job: str) -> None:
    name = entry_of(job)
    draft.write(name, [_line("job", read.records[job]), _line("manifest", read.manifests[job])])
    draft.write(name, [_line("event", event) for event in read.histories.get(job, ())])


def _end(draft: Draft, read: _Read, job: str) -> None:
    name, files = entry_of(job), read.files.get(job, [])
    draft.write(name, [_line("posted", one) for one in read.posted.get(job, ())])
    draft.write(name, [_line("artifact", one) for one in files])
    draft.close(name)
    _note(draft, read.records[job], files)


async def _write_history(database: Database, draft: Draft, record: JobRecord) -> None:
    after = -1
    while after < record.seq:
        async with database.transaction() as session:
            events = await read_events(session, record.id, after=after, limit=PAGE)
        if not events:
            raise Changing(record.id)
        draft.write(entry_of(record.id), [_line("event", event) for event in events])
        after = events[-1].seq


def _note(draft: Draft, record: JobRecord, files: list[ArtifactRecord]) -> None:
    draft.archives.setdefault(record.archive)
    if record.environment is not None:
        draft.environments.setdefault(record.environment)
    for pin in record.plugins:
        draft.plugins.setdefault((pin.name, pin.version, pin.sha256), pin)
    for file in files:
        draft.keep(artifact_key(record.id, file.epoch, file.path, file.sha256), file.sha256, file.size)


async def _write_surroundings(database: Database, draft: Draft) -> None:
    async with database.transaction() as session:
        archives = [await get_archive(session, sha256) for sha256 in draft.archives]
        versions = await versions_here(session, list(draft.plugins.values()))
        environments = await read_environments(session, list(draft.environments))
    for archive in archives:
        assert archive is not None, "a job's archive is never removed"
        draft.keep(archive_key(archive.sha256), archive.sha256, archive.size)
    for name, version, sha256 in list(draft.plugins):
        here = versions.get((name, version))
        if here is None or here[0] != sha256:
            del draft.plugins[name, version, sha256]  # it was deleted; the jobs still say what it was
        else:
            draft.keep(plugin_key(sha256), sha256, here[1])
    for sha256, environment in environments.items():
        name = blob_of(sha256)
        if name not in draft.keys:
            draft.write(name, [canonical(environment)])
            draft.close(name)


async def _write_sweeps(database: Database, draft: Draft, experiment: str) -> None:
    async with database.transaction() as session:
        sweeps = await ended_sweeps(session, experiment)
    for sweep, cells in sweeps:
        draft.write(SWEEPS, [_line("sweep", sweep), *(_line("cell", cell) for cell in cells)])
    if sweeps:
        draft.close(SWEEPS)


def _line(kind: str, value: WireModel) -> bytes:
    return canonical({kind: value.model_dump(mode="json")}) + b"\n"
