"""Submitting: the way of every new job into the tables, be it wholly new or made from another one."""

from collections.abc import Sequence

from fastapi import Response

from tiltyard.wire import Job, JobSubmission, PluginPin, ProblemItem
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.jobs.named_models import models_of
from tiltyard_api.jobs.pending import with_brief_reason
from tiltyard_api.jobs.submissions import checked, digest_of, new_job
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.inputs import Models
from tiltyard_orchestrator.storage.jobs.read import find_by_key
from tiltyard_orchestrator.storage.jobs.submit import KeyReused, UnknownJobs, submit, submitted_before
from tiltyard_orchestrator.tracking.server import TrackingAway


async def submitted(
    here: Parts,
    asked: JobSubmission,
    *,
    key: str | None,
    response: Response,
    parent: str | None = None,
    keeping: Sequence[PluginPin] | None = None,
) -> Job:
    """Write a job, or give the one that its idempotency key made before.

    Args:
        here: the gateway.
        asked: the submission.
        key: its idempotency key.
        response: gets the status and the job's address.
        parent: the job that it is made from.
        keeping: the very versions of plugins that it is to have; None: what it names is resolved now.

    Raises:
        Refused: with everything that is wrong with it.
    """
    digest = digest_of(asked, f"{parent or ''}{'' if keeping is None else list(keeping)}")
    warnings: list[str] = []
    models = await _models(here, asked, key)
    try:
        async with here.database.transaction() as session:
            before = await submitted_before(session, key, digest) if key else None
            if before is None:
                found = await checked(session, here, asked, models=models, keeping=keeping)
                warnings = found.warnings
                made = await submit(session, new_job(asked, found, key, digest, parent))
            else:
                made = before if isinstance(before, KeyReused) else (before, False)
            if isinstance(made, KeyReused):
                detail = f"this key stands for another request, which made job {made.job}; use a new key"
                raise Refused(422, "idempotency_key_reused", detail)
            job, new = made
            shown = await with_brief_reason(session, here, job)
    except UnknownJobs as unknown:
        raise invalid(_unknown(asked, unknown)) from unknown
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    if new:
        here.changed(job.id, state=job.state)
    return shown.model_copy(update={"warnings": warnings}) if new and warnings else shown


async def _models(here: Parts, asked: JobSubmission, key: str | None) -> Models:
    try:
        return await models_of(here, asked)
    except TrackingAway:
        # A key that made a job stands for it, whatever is away by now.
        async with here.database.transaction() as session:
            if key is None or await find_by_key(session, key) is None:
                raise
        return {}


def _unknown(asked: JobSubmission, unknown: UnknownJobs) -> list[ProblemItem]:
    places = {dependency.job: place for place, dependency in enumerate(asked.after)}
    return [
        ProblemItem(
            pointer=f"/after/{places[job]}/job",
            code="unknown_job",
            detail=f"there is no job {job} to wait for: name one that was submitted before, by its whole id",
        )
        for job in unknown.jobs
    ]
