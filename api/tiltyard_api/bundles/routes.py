"""Bundles: an experiment's ended jobs in one file, written for another testbed and read from one."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from tiltyard.wire.bundles import BundleImport
from tiltyard_api.auth import User
from tiltyard_api.bundles.importing import imported
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.parts import Here
from tiltyard_api.transfer.download import BYTES, HARMLESS, attachment
from tiltyard_api.transfer.upload import raw_body, receive
from tiltyard_orchestrator.bundle.writing import Changing, write_bundle

routes = APIRouter(tags=["provenance"])

LARGEST_BUNDLE = 64 << 30


@routes.get(
    "/experiments/{name}/bundle",
    operation_id="download_bundle",
    response_class=Response,
    responses={200: {"description": "The bundle", "content": BYTES}, **responses(404, 409)},
)
async def download_bundle(
    name: Annotated[str, Path(max_length=200)], here: Here, _user: User
) -> StreamingResponse:
    """An experiment with its jobs that have ended: manifests, histories, metrics, archives, plugins, files, environments.

    Jobs that have not ended are left out; `bundle.json` in it says how many. The same jobs give the same bytes.
    """
    try:
        written = await write_bundle(here.database, here.store, name, here.spool)
    except Changing as gone:
        detail = f"job {gone} was removed or exported meanwhile; try again"
        raise Refused(409, "changed_meanwhile", detail) from gone
    if written is None:
        raise not_found("experiment", name)
    headers = HARMLESS | {
        "Accept-Ranges": "none",
        "Content-Disposition": attachment(f"{name}.tar"),
        "Content-Length": str(written.size),
        "X-Bundle-Digest": written.digest,
    }
    return StreamingResponse(
        written.stream(),
        headers=headers,
        media_type="application/octet-stream",
        background=BackgroundTask(written.draft.words.close),
    )


@routes.post(
    "/bundles",
    operation_id="upload_bundle",
    status_code=201,
    responses={
        200: {"model": BundleImport, "description": "All of its jobs were here already"},
        **responses(409, 413, 415, 507),
    },
    openapi_extra=raw_body("The bundle, as it was written."),
)
async def upload_bundle(
    request: Request,
    response: Response,
    here: Here,
    _user: User,
    name: Annotated[
        str | None, Query(alias="as", max_length=200, description="What the experiment is to be called here.")
    ] = None,
) -> BundleImport:
    """Take in a bundle: all of its jobs are here afterwards, or none. One that was changed is refused.

    Its jobs keep their ids, and stand as they ended. Those that are here already, the same, are skipped, so that the same
    bundle may be sent again.
    """
    async with receive(request, here.spool, limit=LARGEST_BUNDLE) as upload:
        done = await imported(here, upload, name)
    response.status_code = 201 if done.imported else 200
    return done
