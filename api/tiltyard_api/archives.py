"""Archives: a raw body, hashed while it streams in, opened once to read its MLproject, and kept under its digest."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from tiltyard.archive import LIMITS
from tiltyard.wire import Archive
from tiltyard_api.auth import Anyone, User
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.jobs.graphs import all_problems
from tiltyard_api.parts import Here
from tiltyard_api.transfer.download import RANGES, Stored, send
from tiltyard_api.transfer.upload import raw_body, receive
from tiltyard_orchestrator.artifacts.keep import keep
from tiltyard_orchestrator.domain.entry_point import Draft
from tiltyard_orchestrator.storage.archives import archive_key, get_archive, put_archive

routes = APIRouter(tags=["archives"])

LARGEST_ARCHIVE = LIMITS.packed_bytes
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@routes.post(
    "/archives",
    operation_id="upload_archive",
    status_code=201,
    responses={
        200: {"model": Archive, "description": "It was there already"},
        **responses(413, 415, 507),
    },
    openapi_extra=raw_body("The archive itself: tar, tar.gz, tar.bz2, tar.xz or zip, 512 MiB at most."),
)
async def upload_archive(request: Request, response: Response, here: Here, _user: User) -> Archive:
    """Store an archive and say what it declares. The same bytes are the same archive."""
    async with receive(request, here.spool, limit=LARGEST_ARCHIVE) as upload:
        archive = await here.readers.archive(upload.path, size=upload.size, sha256=upload.sha256)
        if isinstance(archive, Draft):
            raise await _refused(here, archive)
        key = archive_key(upload.sha256)
        await keep(here.store, key, upload.path, size=upload.size, sha256=upload.sha256)
        async with here.database.transaction() as session:
            stored, new = await put_archive(session, archive)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/archives/{stored.sha256}"
    return stored


@routes.get("/archives/{sha256}", operation_id="get_archive", responses=responses(404))
async def get_one_archive(sha256: Digest, here: Here, _user: User) -> Archive:
    """What a stored archive declares."""
    return await _found(here, sha256)


@routes.head(
    "/archives/{sha256}",
    operation_id="head_archive",
    response_class=Response,
    responses={200: {"description": "It is stored"}, **responses(404)},
)
async def head_archive(sha256: Digest, here: Here, _user: User) -> Response:
    """Whether an archive is stored: ask before you upload it."""
    archive = await _found(here, sha256)
    if await here.store.size(archive_key(sha256)) != archive.size:
        raise not_found("archive", sha256)  # uploading it again makes it whole
    return Response(headers={"X-Archive-Size": str(archive.size)})


@routes.get(
    "/archives/{sha256}/content",
    operation_id="download_archive",
    response_class=Response,
    responses={**RANGES, **responses(404)},
)
async def download_archive(sha256: Digest, request: Request, here: Here, _anyone: Anyone) -> Response:
    """The archive's bytes."""
    archive = await _found(here, sha256)
    stored = Stored(
        key=archive_key(sha256), size=archive.size, sha256=sha256, name=f"{sha256[:12]}.{archive.format}"
    )
    return await send(here, request, stored)


async def _refused(here: Here, draft: Draft) -> Refused:
    """Who must mend the form of a project is told as well what a submission would be told."""
    async with here.database.transaction() as session:
        return invalid(await all_problems(session, here, draft), "invalid_mlproject")


async def _found(here: Here, sha256: str) -> Archive:
    async with here.database.transaction() as session:
        archive = await get_archive(session, sha256)
    if archive is None:
        raise not_found("archive", sha256)
    return archive
