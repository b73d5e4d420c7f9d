"""Provenance: a job's manifest, and running a job again with the very same everything."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from tiltyard.wire import Job, JobChanges
from tiltyard.wire.manifests import Manifest
from tiltyard_api.auth import User
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.jobs.routes import CREATED, JobId, Key, known_job
from tiltyard_api.jobs.submissions import made_from
from tiltyard_api.jobs.submitting import submitted
from tiltyard_api.parts import Here, Parts
from tiltyard_orchestrator.storage.jobs.manifests import read_manifest

routes = APIRouter(prefix="/jobs/{job}", tags=["provenance"])


@routes.get(
    "/manifest",
    operation_id="get_manifest",
    response_model=Manifest,
    responses={304: {"description": "Not Modified"}, **responses(404, 409)},
)
async def get_manifest(
    job: JobId,
    here: Here,
    _user: User,
    response: Response,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> Any:
    """Everything that determined what a job came to, what it ran in, and what it came to, with digests.

    Of a job that has not ended it is what is known so far. Of one that has, it never changes: its ETag is its own digest.
    """
    found = await _manifest(here, (await known_job(here, job)).id)
    if found.digest is not None:
        response.headers["ETag"] = tag = f'"{found.digest}"'
        if if_none_match == tag:
            return Response(status_code=304, headers={"ETag": tag})
    return found


@routes.post(
    "/replay",
    operation_id="replay_job",
    status_code=201,
    responses={**CREATED, **responses(404, 409)},
)
async def replay_job(job: JobId, response: Response, here: Here, _user: User, key: Key = None) -> Job:
    """Run a job that has ended again, as a new job that names it as its parent.

    It has the same archive, entry point, parameters, queue and plugin versions, and the same inputs: an alias of a model
    is what it stood for then.
    """
    parent = await known_job(here, job)
    if not parent.state.final:
        raise Refused(
            409, "not_ended", f"job {parent.id} is {parent.state}: it is replayed when it has ended"
        )
    manifest = await _manifest(here, parent.id)
    inputs = {one.parameter: one.reference for one in manifest.inputs}
    again = made_from(parent, JobChanges(parameters=inputs))
    return await submitted(here, again, key=key, response=response, parent=parent.id, keeping=parent.plugins)


async def _manifest(here: Parts, job: str) -> Manifest:
    async with here.database.transaction() as session:
        found = await read_manifest(session, job)
    if found is None:
        raise not_found("job", job)
    return found
