"""Artifacts: the files of a job's newest attempt and those that callers added to it, listed, downloaded, packed, added."""

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from tiltyard.archive.plain_names import plain_paths
from tiltyard.wire import Artifact, JobState, Page
from tiltyard_api.artifacts.folders import folder_items
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, page_of
from tiltyard_api.http.paths import PATH
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.jobs.routes import JobId, known_job
from tiltyard_api.parts import Here, Parts
from tiltyard_api.transfer.download import RANGES, send, stored_artifact
from tiltyard_api.transfer.packing import PACKED, Packing, send_packed
from tiltyard_api.transfer.upload import raw_body, receive
from tiltyard_orchestrator.artifacts.keys import UPLOADED, artifact_key
from tiltyard_orchestrator.storage.jobs import artifacts

routes = APIRouter(prefix="/jobs/{job}/artifacts", tags=["artifacts"])

LARGEST_ARTIFACT = 8 << 30
MOST_ADDED_BYTES = 32 << 30
"""Of all files that callers add to a job."""
MOST_ADDED_FILES = 1_000
DEEPEST_PATH = 64


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
    ".{packing}",
    operation_id="download_artifacts",
    response_class=Response,
    responses={**PACKED, **responses(404, 409)},
)
async def download_artifacts(
    job: JobId,
    packing: Packing,
    here: Here,
    _user: User,
    under: Annotated[
        str, Query(max_length=1024, description="A folder; all files where none is given.")
    ] = "",
) -> Response:
    """All files of a job, or those of a folder, as one tar or zip; every system takes the names in it."""
    found = await known_job(here, job)
    folder = under.strip("/")
    async with here.database.transaction() as session:
        files = await artifacts.list_stored(session, found.id, under=folder)
    if not files and folder:
        raise not_found("folder", folder)
    items = folder_items(here, files, folder)
    plain = plain_paths(item.name for item in items)
    name = folder.rsplit("/", 1)[-1] or found.id
    return await send_packed([item.named(plain[item.name]) for item in items], packing, name)


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
    return await send(here, request, stored_artifact(*stored))


@routes.put(
    f"/{PATH}",
    operation_id="upload_artifact",
    responses=responses(404, 409, 413, 415, 507),
    openapi_extra=raw_body("The file itself."),
)
async def upload_artifact(
    job: JobId,
    path: str,
    request: Request,
    here: Here,
    _user: User,
    digest: Annotated[str | None, Header(alias="X-Content-SHA256", pattern="^[0-9a-f]{64}$")] = None,
) -> Artifact:
    """Add a file to a job that runs or has ended. What stands there is never replaced; the same file again is one."""
    checked = clean_path(path)
    found = await known_job(here, job)
    if found.state in {JobState.waiting, JobState.queued}:
        raise Refused(409, "not_started", f"job {found.id} is {found.state}: add files once it runs")
    room = await _room(here, found.id)
    async with receive(request, here.spool, limit=min(room, LARGEST_ARTIFACT)) as upload:
        check_digest(digest, upload.sha256)
        stored = artifacts.Stored(
            path=checked, size=upload.size, sha256=upload.sha256, media_type=media_type_of(request, checked)
        )
        await _refuse_another(here, found.id, stored)
        key = artifact_key(found.id, UPLOADED, checked, upload.sha256)
        await here.store.put(key, upload.path)
        async with here.database.transaction() as session:
            added = await artifacts.add_artifact(session, job=found.id, stored=stored, most=_most())
    if isinstance(added, artifacts.Full):
        if (
            added.orphan
        ):  # nor will there be a row that names them: one for as many bytes finds no room either
            await here.store.delete(key)
        raise _full()
    if added is None:
        raise not_found("job", job)
    if isinstance(added, artifacts.Occupied):
        raise _occupied(checked, added.sha256)
    return added


async def _refuse_another(here: Parts, job: str, stored: artifacts.Stored) -> None:
    # Before its bytes are kept for nothing; whether it is so is decided when the row is written.
    async with here.database.transaction() as session:
        before = await artifacts.find_artifact(session, job, stored.path)
    if before is not None and before[0].sha256 != stored.sha256:
        raise _occupied(stored.path, before[0].sha256)


def _occupied(path: str, sha256: str) -> Refused:
    detail = (
        f"{path!r} is there with other content (SHA-256 {sha256[:12]}…) and is not replaced: use another name"
    )
    return Refused(409, "artifact_exists", detail)


async def _room(here: Parts, job: str) -> int:
    # Before bytes are taken for nothing; whether there is room is decided when the row is written.
    async with here.database.transaction() as session:
        files, size = await artifacts.added_so_far(session, job)
    if size >= MOST_ADDED_BYTES or files >= MOST_ADDED_FILES:
        raise _full()
    return MOST_ADDED_BYTES - size


def _most() -> artifacts.Most:
    return artifacts.Most(files=MOST_ADDED_FILES, size=MOST_ADDED_BYTES)


def _full() -> Refused:
    detail = f"{MOST_ADDED_FILES} files and {MOST_ADDED_BYTES >> 30} GiB at most are added to a job; this one has them"
    return Refused(413, "quota_exceeded", detail)


def check_digest(said: str | None, sha256: str) -> None:
    """Refuse a body that is not what its sender measured."""
    if said is not None and said != sha256:
        raise Refused(422, "digest_mismatch", f"the body's SHA-256 is {sha256}, not {said}")


def clean_path(path: str) -> str:
    """A path below a job's artifacts, as it was given; what could mean another place is refused."""
    parts = path.split("/")
    too_long = len(path.encode()) > 1024 or len(parts) > DEEPEST_PATH
    if too_long or any(part in {"", ".", ".."} for part in parts):
        detail = "an artifact's path is relative, without empty parts, `.` or `..`, and at most 1024 bytes"
        raise Refused(422, "bad_path", detail)
    return path


def media_type_of(request: Request, path: str) -> str:
    """What a file is said to be, by its sender or by its name."""
    said = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if said and said != "application/octet-stream" and len(said) < 200:
        return said
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
