"""Artifacts: the files of a job's newest attempt, listed and downloaded; always as attachments, never as pages of ours."""

from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from tiltyard.wire import Artifact, Page
from tiltyard_api.archives import stream_out
from tiltyard_api.auth import User
from tiltyard_api.jobs import known_job
from tiltyard_api.parts import Here
from tiltyard_api.problems import not_found, responses
from tiltyard_orchestrator.storage import artifacts

routes = APIRouter(prefix="/jobs/{job}/artifacts", tags=["artifacts"])


@routes.get("", operation_id="list_artifacts", responses=responses(404))
async def list_artifacts(job: str, here: Here, _user: User) -> Page[Artifact]:
    """List a job's files, by path."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        return Page(items=await artifacts.list_artifacts(session, found.id))


@routes.get(
    "/{path:path}",
    operation_id="download_artifact",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **responses(404)},
)
async def download_artifact(job: str, path: str, here: Here, _user: User) -> StreamingResponse:
    """One file of a job. Its media type is said in `X-Media-Type`: nothing a job wrote is shown as a page from here."""
    found = await known_job(here, job)
    stored = None
    if "\0" not in path:
        async with here.database.transaction() as session:
            stored = await artifacts.find_artifact(session, found.id, path)
    if stored is None:
        raise not_found("artifact", path)
    artifact, key = stored
    name = quote(path.rsplit("/", 1)[-1], safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "ETag": f'"{artifact.sha256}"',
        "X-Content-SHA256": artifact.sha256,
        "X-Media-Type": quote(artifact.media_type, safe="/+.-; ="),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return await stream_out(here, key, artifact.size, headers)
