"""Submitting: the way of every new job into the tables, be it wholly new or made from another one."""

from fastapi import Response

from tiltyard.wire import Job, JobSubmission, ProblemItem
from tiltyard_api.parts import Parts
from tiltyard_api.pending import with_brief_reason
from tiltyard_api.problems import Refused, invalid
from tiltyard_api.submissions import checked, digest_of, new_job
from tiltyard_orchestrator.storage.submit import KeyReused, UnknownJobs, submit, submitted_before


async def submitted(
    here: Parts, asked: JobSubmission, *, key: str | None, response: Response, parent: str | None = None
) -> Job:
    """Write a job, or give the one that its idempotency key made before.

    Raises:
        Refused: with everything that is wrong with it.
    """
    digest = digest_of(asked, parent)
    try:
        async with here.database.transaction() as session:
            before = await submitted_before(session, key, digest) if key else None
            if before is None:
                accepted = await checked(session, here.catalogue, asked)
                made = await submit(session, new_job(asked, accepted, key, digest, parent))
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
    return shown


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
