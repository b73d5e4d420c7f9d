"""Importing: from a bundle's bytes to jobs that are here, all of them or none.

First every byte and every word of it is checked; then the bytes are brought to the store, where no row names them yet; then
one transaction writes every row. An archive is inspected and a plugin is read as if somebody had uploaded it: what the bundle
says of them is believed nowhere.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from itertools import islice

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Archive, JobState, PluginPin, ProblemItem
from tiltyard.wire.bundles import BundleImport
from tiltyard.wire.events import Event
from tiltyard_api.bundles.plan import Plan, planned
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.parts import Parts
from tiltyard_api.plugins import collection
from tiltyard_api.plugins.checks import CHECK_ARCHIVE, check_of
from tiltyard_api.plugins.pushing import read_upload, stored_version
from tiltyard_api.transfer.upload import Upload
from tiltyard_orchestrator.artifacts.keep import keep
from tiltyard_orchestrator.artifacts.keys import artifact_key
from tiltyard_orchestrator.bundle.framing import BundleRefused, Opened
from tiltyard_orchestrator.bundle.judging import Judged, blob_of, read_lines
from tiltyard_orchestrator.storage.archives import archive_key, get_archive, put_archive
from tiltyard_orchestrator.storage.bundles.jobs import versions_here
from tiltyard_orchestrator.storage.bundles.sweeps import insert_sweeps, new_sweeps
from tiltyard_orchestrator.storage.bundles.write import (
    ensure_queues,
    experiment_id,
    insert_events,
    insert_jobs,
    insert_results,
    jobs_here,
)
from tiltyard_orchestrator.storage.environments import put_environment
from tiltyard_orchestrator.storage.experiments import NameTaken, create_experiment
from tiltyard_orchestrator.storage.plugins.push import Pushed, push

log = structlog.get_logger(__name__)

BATCH = 1_000


async def imported(here: Parts, upload: Upload, name: str | None) -> BundleImport:
    """Take a bundle in.

    Raises:
        Refused: it is none, it was changed, it cannot be, or it does not go with what is here.
    """
    try:
        plan = await planned(here, upload, name)
        if not plan.jobs:
            plan.sweeps = []
            return await _told(here, plan, [])
        return await _carry_out(here, plan)
    except BundleRefused as refused:
        item = ProblemItem(pointer=f"/{refused.entry}", code=refused.code, detail=refused.detail)
        raise invalid([item], refused.code) from refused


async def _carry_out(here: Parts, plan: Plan) -> BundleImport:
    try:
        await _bring_archives(here, plan)
        await _bring_plugins(here, plan)
        await _bring_files(here, plan)
        async with here.database.transaction() as session:
            pushed = await _write(session, plan)
    except BaseException:
        await asyncio.shield(_take_back(here, plan))
        raise
    for one in pushed:
        if one.began and one.version.check is not None:
            here.changed(one.version.check, state=JobState.queued)
    here.experiments_changed()
    return await _told(here, plan, pushed)


async def _bring_archives(here: Parts, plan: Plan) -> None:
    wanted = dict.fromkeys(one.record.archive for one in plan.jobs)
    entry_points: dict[str, set[str]] = {}
    for sha256 in wanted:
        async with here.database.transaction() as session:
            archive = await get_archive(session, sha256)
        async with _extracted(here, plan.opened, sha256) as upload:
            found = await here.readers.archive(upload.path, size=upload.size, sha256=upload.sha256)
            if not isinstance(found, Archive):
                raise BundleRefused("bad_bundle", blob_of(sha256), "it is no archive that is taken here")
            if archive is None:
                plan.archives.append(found)
            # These bytes have the digest; what the store has under it may have another.
            await keep(here.store, archive_key(sha256), upload.path, size=upload.size, sha256=sha256)
        entry_points[sha256] = {entry.name for entry in found.entry_points}
    for one in plan.jobs:
        if one.record.entry_point not in entry_points[one.record.archive]:
            detail = f"{one.entry}: its archive has no entry point {one.record.entry_point!r}"
            raise BundleRefused("bad_bundle", one.entry, detail)


async def _bring_plugins(here: Parts, plan: Plan) -> None:
    queues = {
        (pin.name, pin.version, pin.sha256): one.record.queue
        for one in plan.jobs
        for pin in one.record.plugins
    }
    # Those that were used last are the newest of a plugin that is new here.
    given = [pin for pin in reversed(plan.opened.index.plugins) if _key(pin) in queues]
    async with here.database.transaction() as session:
        known = await versions_here(session, given)
    for pin in given:
        if (pin.name, pin.version) in known or pin.name == collection.NAME:
            continue
        async with _extracted(here, plan.opened, pin.sha256) as upload:
            try:
                source = await read_upload(here, upload, name=pin.name, version=pin.version)
            except Refused as refused:
                if refused.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise  # it was not read yet
                log.info("plugin_not_imported", plugin=pin.name, version=pin.version, why=str(refused.detail))
                continue
        new = await stored_version(here, source)
        if new.pin != pin:
            raise BundleRefused(
                "bad_bundle", blob_of(pin.sha256), f"{pin.name} {pin.version} is another plugin"
            )
        plan.plugins.append((new, queues[_key(pin)]))


async def _bring_files(here: Parts, plan: Plan) -> None:
    for one in plan.jobs:
        for file in one.files:
            key = artifact_key(one.record.id, file.epoch, file.path, file.sha256)
            async with _extracted(here, plan.opened, file.sha256) as upload:
                plan.keys.append(key)
                await here.store.put(key, upload.path)


@asynccontextmanager
async def _extracted(here: Parts, opened: Opened, sha256: str) -> AsyncIterator[Upload]:
    name = blob_of(sha256)
    if name not in opened.places:
        raise BundleRefused("bad_bundle", name, f"{name} is named and not there")
    path = here.spool / f"{secrets.token_hex(8)}.entry"
    try:
        await asyncio.to_thread(opened.extract, name, path)
        yield Upload(path=path, size=opened.places[name][1], sha256=sha256)
    finally:
        with suppress(OSError):
            await asyncio.to_thread(path.unlink, missing_ok=True)


async def _write(session: AsyncSession, plan: Plan) -> list[Pushed]:
    if plan.there:
        experiment = await experiment_id(session, plan.experiment.name)
    else:
        made = await create_experiment(session, plan.experiment)
        taken = isinstance(made, NameTaken)
        experiment = None if taken else await experiment_id(session, plan.experiment.name)
    if experiment is None:
        raise Refused(409, "changed_meanwhile", "somebody else changed it at the same moment; try again")
    await ensure_queues(session, {one.record.queue for one in plan.jobs})
    for archive in plan.archives:
        await put_archive(session, archive)
    for environment in plan.environments.values():
        await put_environment(session, environment)
    pushed = await _push(session, plan)
    plan.sweeps = await new_sweeps(session, plan.sweeps)
    brought = {sweep.id for sweep, _ in plan.sweeps}
    for start in range(0, len(plan.jobs), BATCH):
        some = plan.jobs[start : start + BATCH]
        # No job comes to be one of a sweep that is here.
        records = [
            one.record.model_copy(update={"sweep": one.record.sweep if one.record.sweep in brought else None})
            for one in some
        ]
        await insert_jobs(session, records, experiment=experiment, bundle=plan.opened.digest)
        await _write_histories(session, plan.opened, some)
        await insert_results(session, some)
    await insert_sweeps(session, plan.sweeps, experiment=experiment)
    return pushed


async def _push(session: AsyncSession, plan: Plan) -> list[Pushed]:
    if plan.plugins:
        await put_archive(session, CHECK_ARCHIVE)
    done = [
        await push(session, new, check=check_of(new.plugin, queue), behind=True)
        for new, queue in plan.plugins
    ]
    return [one for one in done if isinstance(one, Pushed)]


async def _write_histories(session: AsyncSession, opened: Opened, jobs: Sequence[Judged]) -> None:
    lines = (line for one in jobs for line in read_lines(opened, one.entry))
    events = (line for line in lines if isinstance(line, Event))
    while batch := await asyncio.to_thread(lambda: list(islice(events, BATCH))):
        await insert_events(session, batch)


async def _take_back(here: Parts, plan: Plan) -> None:
    """Forget the files of jobs that are not here after all. One that stays costs room, and nothing else."""
    try:
        async with here.database.transaction() as session:
            known = await jobs_here(session, [one.record.id for one in plan.jobs])
        for key in plan.keys:
            if key.split("/", 1)[0] not in known:
                await here.store.delete(key)
    except Exception as error:  # noqa: BLE001 - what went wrong first is what is told
        log.warning("import_left_behind", files=len(plan.keys), error=str(error))


async def _told(here: Parts, plan: Plan, pushed: list[Pushed]) -> BundleImport:
    pins = {_key(pin): pin for one in plan.jobs for pin in one.record.plugins}
    async with here.database.transaction() as session:
        known = await versions_here(session, list(pins.values()))
    return BundleImport(
        bundle=plan.opened.digest,
        experiment=plan.experiment.name,
        imported=len(plan.jobs),
        skipped=plan.skipped,
        left_out=plan.opened.index.left_out,
        archives=len(plan.archives),
        plugins=[
            PluginPin(name=one.version.plugin, version=one.version.version, sha256=one.version.sha256)
            for one in pushed
        ],
        plugins_left=[
            pin for pin in pins.values() if known.get((pin.name, pin.version), ("", 0))[0] != pin.sha256
        ],
        sweeps=len(plan.sweeps),
    )


def _key(pin: PluginPin) -> tuple[str, str, str]:
    return pin.name, pin.version, pin.sha256
