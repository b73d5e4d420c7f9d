"""Links to artifacts: addresses that open one file for a while, without a token.

A store that callers reach signs its own; any other file is served by the gateway, under a signature of a secret that all
gateways share. A link names the very bytes: it opens nothing when the file was replaced, and nothing after an hour.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Artifact, ArtifactLink, LinkDraft
from tiltyard_api.auth import User
from tiltyard_api.http.paths import PATH
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.jobs.routes import JobId, known_job
from tiltyard_api.parts import Here
from tiltyard_api.transfer.download import RANGES, attachment, send, stored_artifact
from tiltyard_orchestrator.storage.access.shared_secrets import shared_secret
from tiltyard_orchestrator.storage.jobs.artifacts import find_artifact

routes = APIRouter(tags=["artifacts"])
public = APIRouter(prefix="/links", tags=["artifacts"])
"""Outside `/api/`, where nothing is reached without a token."""

SECRET = "artifact links"  # noqa: S105 - its name


@routes.post("/jobs/{job}/artifacts:link", operation_id="create_artifact_link", responses=responses(404, 409))
async def create_artifact_link(
    job: JobId, asked: LinkDraft, request: Request, here: Here, _user: User
) -> ArtifactLink:
    """Make an address where anybody can fetch one file of a job, for an hour at most."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        stored = await find_artifact(session, found.id, asked.path)
        now, secret = await _now(session), await shared_secret(session, SECRET)
    if stored is None:
        raise not_found("artifact", asked.path)
    artifact, key = stored
    until = now + timedelta(seconds=asked.seconds)
    url = await here.store.link(
        key, disposition=attachment(asked.path.rsplit("/", 1)[-1]), seconds=asked.seconds
    )
    if url is None:
        signed = _signed(secret, found.id, artifact, int(until.timestamp()))
        place = quote(f"links/{found.id}/{asked.path}")
        url = f"{request.base_url}{place}?{urlencode(signed)}"
    return ArtifactLink(url=url, expires_at=until)


@public.get(
    f"/{{job}}/{PATH}",
    operation_id="download_linked_artifact",
    response_class=Response,
    responses={**RANGES, **responses(404)},
)
async def download_linked_artifact(
    job: JobId,
    path: str,
    request: Request,
    here: Here,
    until: Annotated[int, Query(ge=0, le=2**40)],
    signature: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
) -> Response:
    """The file that a link names, as an attachment; the link's signature is all that it takes."""
    async with here.database.transaction() as session:
        now, secret = await _now(session), await shared_secret(session, SECRET)
        stored = await find_artifact(session, job, path)
    if stored is None or not hmac.compare_digest(
        _signed(secret, job, stored[0], until)["signature"], signature
    ):
        raise Refused(403, "bad_link", "this link was changed, or what it leads to was: ask for a new one")
    if now.timestamp() > until:
        ended = datetime.fromtimestamp(until, UTC)
        raise Refused(403, "link_expired", f"this link was good until {ended:%Y-%m-%d %H:%M:%S} UTC")
    artifact, key = stored
    return await send(here, request, stored_artifact(artifact, key))


def _signed(secret: bytes, job: str, artifact: Artifact, until: int) -> dict[str, str]:
    message = "\0".join((job, artifact.sha256, str(until), artifact.path)).encode()
    return {"until": str(until), "signature": hmac.new(secret, message, hashlib.sha256).hexdigest()}


async def _now(session: AsyncSession) -> datetime:
    found: datetime = (await session.execute(select(func.now()))).scalar_one()
    return found
