"""History: the jobs that ended long ago and were exported, and exporting more of them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from tiltyard.duration import parse_duration
from tiltyard.wire import ExportedJob, Page, ProblemItem, Prune, Pruned
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit
from tiltyard_api.http.problems import invalid, not_found, responses
from tiltyard_api.parts import Here
from tiltyard_api.transfer.download import RANGES, Stored, send
from tiltyard_orchestrator.history.export import export_old, record_key
from tiltyard_orchestrator.storage.jobs.exports import count_old, get_exported, list_exported

routes = APIRouter(tags=["history"])

LONGEST_AGE_SECONDS = 36_500 * 86_400
"""How long ago a job may be asked to have ended: a century, which a database still counts back."""

JobId = Annotated[str, Path(max_length=200, description="A job's whole id.")]


@routes.get("/history", operation_id="list_exported_jobs", responses=responses())
async def list_exported_jobs(
    here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100
) -> Page[ExportedJob]:
    """List the jobs that were exported, those first that ended last."""
    async with here.database.transaction() as session:
        return await list_exported(session, cursor=cursor, limit=limit)


@routes.get("/history/{job}", operation_id="get_exported_job", responses=responses(404))
async def get_exported_job(job: JobId, here: Here, _user: User) -> ExportedJob:
    """One exported job."""
    async with here.database.transaction() as session:
        found = await get_exported(session, job)
    if found is None:
        raise not_found("exported job", job)
    return found


@routes.get(
    "/history/{job}/record",
    operation_id="download_record",
    response_class=Response,
    responses={**RANGES, **responses(404)},
)
async def download_record(job: JobId, request: Request, here: Here, user: User) -> Response:
    """The record of an exported job, JSON lines packed with gzip: the job, its events in order, its artifacts."""
    found = await get_exported_job(job, here, user)
    return await send(
        here,
        request,
        Stored(
            key=record_key(found.id),
            size=found.size,
            sha256=found.sha256,
            name=f"{found.id}.jsonl.gz",
            media_type="application/gzip",
        ),
    )


@routes.post("/history:prune", operation_id="prune_jobs", responses=responses(507))
async def prune_jobs(asked: Prune, here: Here, _user: User) -> Pruned:
    """Export the jobs that ended longer ago than this, with their events, and take them out of the tables."""
    try:
        seconds = parse_duration(asked.older_than, longest=LONGEST_AGE_SECONDS)
    except ValueError as error:
        raise invalid([ProblemItem(pointer="/older_than", code="bad_duration", detail=str(error))]) from error
    async with here.database.transaction() as session:
        matched = await count_old(session, older_than=seconds)
    if asked.dry_run:
        return Pruned(matched=matched, exported=0)
    exported = await export_old(here.database, here.store, older_than=seconds, spool=here.spool)
    return Pruned(matched=matched, exported=exported)
