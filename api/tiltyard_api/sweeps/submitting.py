"""Submitting a sweep: written whole, with all its cells and their jobs, or not at all."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import (
    Axis,
    JobState,
    JobSubmission,
    ProblemItem,
    Sweep,
    SweepMode,
    SweepPlan,
    SweepSubmission,
)
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.jobs.submissions import new_job
from tiltyard_api.parts import Parts
from tiltyard_api.sweeps.checking import CheckedSweep, checked_sweep, common_of, sweep_models
from tiltyard_api.sweeps.reading import read_sweep
from tiltyard_orchestrator.domain.sweep.axes import distinct, told_axis
from tiltyard_orchestrator.storage.jobs.pending import of_queue
from tiltyard_orchestrator.storage.jobs.submit import KeyReused, UnknownJobs
from tiltyard_orchestrator.storage.sweeps.foresee import foresee_sweep
from tiltyard_orchestrator.storage.sweeps.read import get_sweep
from tiltyard_orchestrator.storage.sweeps.submit import MadeSweep, NewSweep, submit_sweep, submitted_sweep

MOST_TOLD = 500
"""Of the new jobs, so many are announced to those who follow everything; the others they find by themselves."""
_SEEDS = 2**31


async def submitted(here: Parts, asked: SweepSubmission, *, key: str | None, response: Response) -> Sweep:
    """Write a sweep, or give the one that its idempotency key made before.

    Raises:
        Refused: with everything that is wrong with it.
    """
    digest = hashlib.sha256(asked.model_dump_json().encode()).hexdigest()
    warnings: list[str] = []
    try:
        made = await _made_before(here, key, digest) if key else None
        if made is None:
            made, warnings = await _write(here, asked, key, digest)
    except UnknownJobs as unknown:
        raise invalid(_unknown(asked, unknown)) from unknown
    if isinstance(made, KeyReused):
        detail = f"this key stands for another request, which made sweep {made.job}; use a new key"
        raise Refused(422, "idempotency_key_reused", detail)
    response.status_code = 201 if made.new else 200
    response.headers["Location"] = f"/api/v1/sweeps/{made.id}"
    _tell(here, asked, made)
    async with here.database.transaction() as session:
        shown = await get_sweep(session, made.id)
    assert shown is not None, "it was written above"
    return shown.model_copy(update={"warnings": warnings}) if made.new else shown


async def _made_before(here: Parts, key: str, digest: str) -> MadeSweep | KeyReused | None:
    async with here.database.transaction() as session:
        return await submitted_sweep(session, key, digest)


async def foreseen(here: Parts, asked: SweepSubmission) -> SweepPlan:
    """What a sweep would come to; nothing of it is made.

    Raises:
        Refused: with everything that is wrong with it.
    """
    try:
        async with _checked(here, asked) as (session, found, warnings, seed):
            new = await asyncio.to_thread(_new_sweep, asked, found, seed, None, "")
            jobs, reused = await foresee_sweep(session, new)
    except UnknownJobs as unknown:
        raise invalid(_unknown(asked, unknown)) from unknown
    axes = [Axis.model_validate(axis) for axis in new.axes]
    return SweepPlan(cells=len(new.cells), jobs=jobs, reused=reused, axes=axes, seed=seed, warnings=warnings)


async def _write(
    here: Parts, asked: SweepSubmission, key: str | None, digest: str
) -> tuple[MadeSweep | KeyReused, list[str]]:
    """The sweep, and what may surprise of it."""
    async with _checked(here, asked) as (session, found, warnings, seed):
        new = await asyncio.to_thread(_new_sweep, asked, found, seed, key, digest)
        return await submit_sweep(session, new), warnings


@asynccontextmanager
async def _checked(
    here: Parts, asked: SweepSubmission
) -> AsyncIterator[tuple[AsyncSession, CheckedSweep, list[str], int | None]]:
    """A transaction, what the sweep comes to in it, what may surprise of it, and the seed of a random one."""
    seed = secrets.randbelow(_SEEDS) if asked.mode is SweepMode.random and asked.seed is None else asked.seed
    read = await read_sweep(here, asked, seed=seed)
    models = await sweep_models(here, asked, read)
    async with here.database.transaction() as session:
        found = await checked_sweep(session, here, asked, read, models=models)
        queues = await here.catalogue.standings(session, lost_after=here.settings.worker_lost_after)
        warnings = [*found.common.warnings, *(one.detail for one in of_queue(asked.queue, queues))]
        yield session, found, warnings, seed


def _tell(here: Parts, asked: SweepSubmission, made: MadeSweep) -> None:
    for job in made.jobs[:MOST_TOLD]:
        here.changed(job, state=JobState.queued)
    for one in asked.after:  # one that has ended as it should not is looked at now, and not at the next round
        here.keeper.settle(one.job)


def _new_sweep(
    asked: SweepSubmission, found: CheckedSweep, seed: int | None, key: str | None, digest: str
) -> NewSweep:
    common = common_of(asked)
    axes = [
        told_axis(axis, distinct(cell.values[axis.parameter.name] for cell in found.cells))
        for axis in found.axes
    ]
    submission = asked.model_dump(include=set(JobSubmission.model_fields), mode="json")
    return NewSweep(
        job=replace(new_job(common, found.common, None, ""), description=""),
        cells=found.cells,
        axes=[axis.model_dump(mode="json", exclude_none=True) for axis in axes],
        mode=asked.mode.value,
        seed=seed,
        submission=submission,
        max_parallel=asked.max_parallel,
        description=asked.description,
        tags=list(asked.tags),
        idempotency_key=key,
        request_digest=digest if key else None,
    )


def _unknown(asked: SweepSubmission, unknown: UnknownJobs) -> list[ProblemItem]:
    places = {dependency.job: place for place, dependency in enumerate(asked.after)}
    return [
        ProblemItem(
            pointer=f"/after/{places[job]}/job" if job in places else "/axes",
            code="unknown_job",
            detail=f"there is no job {job} to wait for: name one that was submitted before, by its whole id",
        )
        for job in unknown.jobs
    ]
