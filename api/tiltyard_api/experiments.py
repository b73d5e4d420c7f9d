"""Experiments: named collections of related jobs."""

import hashlib
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query, Response

from tiltyard.wire import Experiment, ExperimentDraft, ExperimentPatch, Page
from tiltyard_api.auth import User
from tiltyard_api.jobs import Limit, Text
from tiltyard_api.parts import Here
from tiltyard_api.problems import Refused, not_found, responses
from tiltyard_orchestrator.storage import experiments
from tiltyard_orchestrator.storage.experiments import NameTaken, Unfinished

routes = APIRouter(prefix="/experiments", tags=["experiments"])
log = structlog.get_logger(__name__)

IfMatch = Annotated[str | None, Header(alias="If-Match")]


@routes.post("", operation_id="create_experiment", status_code=201, responses=responses(409))
async def create_experiment(
    draft: ExperimentDraft, here: Here, _user: User, response: Response
) -> Experiment:
    """Make an experiment. A submission makes the one that it names, so this is for giving it a description first."""
    async with here.database.transaction() as session:
        made = await experiments.create_experiment(session, draft)
    if isinstance(made, NameTaken):
        raise _taken(made)
    response.headers["ETag"] = _etag(made)
    return made


@routes.get("", operation_id="list_experiments", responses=responses())
async def list_experiments(
    here: Here, _user: User, cursor: Text = None, limit: Annotated[Limit, Query()] = 100
) -> Page[Experiment]:
    """List experiments by name, with their jobs counted by state."""
    async with here.database.transaction() as session:
        return await experiments.list_experiments(session, cursor=cursor, limit=limit)


@routes.get("/{name}", operation_id="get_experiment", responses=responses(404))
async def get_experiment(name: str, here: Here, _user: User, response: Response) -> Experiment:
    """One experiment."""
    found = await _known(here, name)
    response.headers["ETag"] = _etag(found)
    return found


@routes.patch("/{name}", operation_id="update_experiment", responses=responses(404, 409, 412))
async def update_experiment(
    name: str, patch: ExperimentPatch, here: Here, _user: User, response: Response, if_match: IfMatch = None
) -> Experiment:
    """Rename or describe an experiment. With `If-Match`, only as it was when you read it."""
    found = await _known(here, name)
    if if_match is not None and if_match not in {"*", _etag(found)}:
        raise Refused(412, "changed_since", "the experiment was changed since you read it; read it again")
    async with here.database.transaction() as session:
        changed = await experiments.patch_experiment(session, name, patch)
    if isinstance(changed, NameTaken):
        raise _taken(changed)
    if changed is None:
        raise not_found("experiment", name)
    response.headers["ETag"] = _etag(changed)
    return changed


@routes.delete("/{name}", operation_id="delete_experiment", status_code=204, responses=responses(404, 409))
async def delete_experiment(name: str, here: Here, _user: User) -> None:
    """Remove an experiment with its jobs, their history and their files. Refused while a job of it has not ended."""
    async with here.database.transaction() as session:
        deleted = await experiments.delete_experiment(session, name)
    if deleted is None:
        raise not_found("experiment", name)
    if isinstance(deleted, Unfinished):
        detail = f"{deleted.jobs} jobs of it have not ended; cancel them or wait for them first"
        raise Refused(409, "unfinished_jobs", detail)
    for key in deleted.keys:
        try:
            await here.store.delete(key)
        except OSError as error:
            log.warning("artifact_left_behind", key=key, error=str(error))


async def _known(here: Here, name: str) -> Experiment:
    if "\0" in name:
        raise not_found("experiment", name)
    async with here.database.transaction() as session:
        found = await experiments.get_experiment(session, name)
    if found is None:
        raise not_found("experiment", name)
    return found


def _taken(taken: NameTaken) -> Refused:
    return Refused(409, "name_taken", f"there is an experiment {taken.name!r} already")


def _etag(experiment: Experiment) -> str:
    stamp = f"{experiment.name}\0{experiment.updated_at.isoformat()}".encode()
    return f'"{hashlib.sha256(stamp).hexdigest()[:16]}"'
