"""Artifacts: the files of a job's newest attempt, listed and downloaded."""

import re

from fastapi import APIRouter, Request, Response

from tiltyard.wire import Artifact, Page
from tiltyard_api.auth import User
from tiltyard_api.download import RANGES, Stored, send
from tiltyard_api.jobs import JobId, known_job
from tiltyard_api.paging import Cursor, Limit, page_of
from tiltyard_api.parts import Here
from tiltyard_api.paths import PATH
from tiltyard_api.problems import not_found, responses
from tiltyard_orchestrator.storage import artifacts

routes = APIRouter(prefix="/jobs/{job}/artifacts", tags=["artifacts"])

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9-]+=[A-Za-z0-9_.+-]+)*")


@routes.get("", operation_id="list_artifacts", responses=responses(404, 409))
async def list_artifacts(
    job: JobId, here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100
) -> Page[Artifact]:
    """List a job's files, by path."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        files = await artifacts.list_artifacts(session, found.id)
    return page_of(files, lambda file: file.path, cursor, limit)


@routes.get(
    f"/{PATH}",
    operation_id="download_artifact",
    response_class=Response,
    responses={**RANGES, **responses(404, 409)},
)
async def download_artifact(job: JobId, path: str, request: Request, here: Here, _user: User) -> Response:
    """One file of a job, always as an attachment; its ETag is its SHA-256."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        stored = await artifacts.find_artifact(session, found.id, path)
    if stored is None:
        raise not_found("artifact", path)
    artifact, key = stored
    media_type = artifact.media_type if _MEDIA_TYPE.fullmatch(artifact.media_type) else None
    return await send(
        here,
        request,
        Stored(
            key=key,
            size=artifact.size,
            sha256=artifact.sha256,
            name=path.rsplit("/", 1)[-1],
            media_type=media_type or "application/octet-stream",
        ),
    )
