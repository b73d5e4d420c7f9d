"""Export: write a job's record into the store, and only then take the job out of the tables.

Killed at any moment, this loses nothing: a record without its line is written again, and the same, because a job that has
ended does not change. The files that the job left stay where the store has them; the record names their keys.
"""

import asyncio
import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from typing import IO, Any

import structlog

from tiltyard.wire.jobs import Job
from tiltyard.wire.model import WireModel
from tiltyard_orchestrator.artifacts.keys import artifact_key
from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs.events import read_events
from tiltyard_orchestrator.storage.jobs.exports import Record, all_artifacts, leave, old_jobs
from tiltyard_orchestrator.storage.jobs.manifests import read_manifest
from tiltyard_orchestrator.storage.results.post import posted_metrics

log = structlog.get_logger(__name__)

BATCH = 50
PAGE = 1_000


def record_key(job: str) -> str:
    """Where the store keeps a job's record."""
    return f"history/{job}.jsonl.gz"


async def export_old(database: Database, store: Store, *, older_than: float, spool: Path) -> int:
    """Export every job that ended longer ago than so many seconds.

    Returns:
        How many left the tables.

    Raises:
        StoreFull, StoreAway: the store does not take the records; the jobs that are left stay in the tables.
    """
    exported = 0
    while True:
        async with database.transaction() as session:
            jobs = await old_jobs(session, older_than=older_than, limit=BATCH)
        left = [await _export(database, store, job, spool) for job in jobs]
        exported += sum(left)
        if len(jobs) < BATCH or not any(left):
            return exported


async def _export(database: Database, store: Store, job: Job, spool: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=spool, suffix=".jsonl.gz") as file:
        events, posted = await _write(database, job, file)
        sha256, size = await asyncio.to_thread(_measure, file)
        await store.put(record_key(job.id), Path(file.name))
        record = Record(events=events, posted=posted, size=size, sha256=sha256)
    async with database.transaction() as session:
        return await leave(session, job, record)


def _measure(file: IO[bytes]) -> tuple[str, int]:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()  # type: ignore[arg-type]  # any file will do


async def _write(database: Database, job: Job, file: IO[bytes]) -> tuple[int, int]:
    """Write a job's record; tells how many events and posted metrics it has."""
    # Without a time in its header, the same job makes the same bytes.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        _line(packed, "job", job)
        after = -1
        while True:
            async with database.transaction() as session:
                events = await read_events(session, job.id, after=after, limit=PAGE)
            for event in events:
                _line(packed, "event", event)
            after += len(events)
            if len(events) < PAGE:
                break
        async with database.transaction() as session:
            for row in await all_artifacts(session, job.id):
                key = artifact_key(job.id, row.epoch, row.path, row.sha256)
                _line(packed, "artifact", row.model_dump(mode="json") | {"key": key})
            # What it told itself is in its events.
            posted = await posted_metrics(session, job.id)
            for metric in posted:
                _line(packed, "posted_metric", metric)
            # Nothing but this holds what it ran in, when its row is gone.
            manifest = await read_manifest(session, job.id)
            if manifest is not None:
                _line(packed, "manifest", manifest)
    file.flush()
    return after + 1, len(posted)


def _line(packed: gzip.GzipFile, kind: str, value: WireModel | dict[str, Any]) -> None:
    plain = value.model_dump(mode="json") if isinstance(value, WireModel) else value
    packed.write(json.dumps({kind: plain}, ensure_ascii=False).encode() + b"\n")


async def export_for_ever(
    database: Database, store: Store, *, keep_seconds: float, spool: Path, every: float
) -> None:
    """Export what is old enough, again and again, until cancelled."""
    while True:
        try:
            if exported := await export_old(database, store, older_than=keep_seconds, spool=spool):
                log.info("exported", jobs=exported)
        except Exception as error:  # noqa: BLE001 - whatever is away now is tried again
            log.warning("export_failing", error=str(error) or type(error).__name__)
        await asyncio.sleep(every)
