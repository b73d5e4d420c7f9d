"""Archives: a raw body, hashed while it streams in, opened once to read its MLproject, and kept under its digest."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from tiltyard.archive import LIMITS, ArchiveRefused, Contents, inspect, read_texts
from tiltyard.archive import project as projects
from tiltyard.wire import Archive, ProblemItem
from tiltyard_api.auth import Anyone, User
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.jobs.graphs import all_problems
from tiltyard_api.parts import Here
from tiltyard_api.transfer.download import RANGES, Stored, send
from tiltyard_api.transfer.upload import Upload, raw_body, receive
from tiltyard_orchestrator.artifacts.keep import keep
from tiltyard_orchestrator.domain.entry_point import Draft, read_draft
from tiltyard_orchestrator.domain.graph_entry import graph_paths
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
        async with here.inspections:
            archive = await asyncio.to_thread(read_archive, upload)
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


def read_archive(upload: Upload) -> Archive | Draft:
    """Open an upload and read what it declares; return it as a draft where its form is wrong.

    Raises:
        Refused: it breaks a rule, or its MLproject is missing, doubled or no YAML.
    """
    try:
        contents: Contents = inspect(upload.path)
        folder, document = _project(contents)
        texts = _texts(upload, folder, graph_paths(document))
    except ArchiveRefused as refused:
        item = ProblemItem(pointer="", code=refused.rule, detail=refused.message)
        raise invalid([item], refused.rule) from refused
    draft = read_draft(document, texts)
    if draft.problems():
        return draft
    project = draft.project
    return Archive(
        sha256=upload.sha256,
        size=upload.size,
        format=contents.format,
        files=len(contents.files),
        project=folder,
        name=project.name,
        entry_points=project.entry_points,
        uses=contents.uses,
        created_at=datetime.now(UTC),
    )


def _project(contents: Contents) -> tuple[str, object]:
    folder = projects.project_folder(contents)
    if isinstance(folder, list):
        raise invalid(folder, folder[0].code)
    document = projects.load(contents)
    if isinstance(document, list):
        raise invalid(document, "invalid_mlproject")
    return folder, document


def _texts(upload: Upload, folder: str, paths: set[str]) -> dict[str, bytes]:
    """The files of an archive that its MLproject names, by their paths below its folder."""
    if not paths:
        return {}
    above = f"{folder}/" if folder else ""
    found = read_texts(upload.path, {above + path for path in paths})
    return {name.removeprefix(above): content for name, content in found.items()}


async def _found(here: Here, sha256: str) -> Archive:
    async with here.database.transaction() as session:
        archive = await get_archive(session, sha256)
    if archive is None:
        raise not_found("archive", sha256)
    return archive
