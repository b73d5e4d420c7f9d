"""Experiments: named collections of related jobs."""

from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Path, Response

from tiltyard.wire import Experiment, ExperimentDraft, ExperimentPatch, Page
from tiltyard_api.auth import User
from tiltyard_api.http.etags import IfMatch, check_match, etag
from tiltyard_api.http.paging import Cursor, Limit
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_orchestrator.storage import experiments
from tiltyard_orchestrator.storage.experiments import NameTaken, Unfinished

routes = APIRouter(prefix="/experiments", tags=["experiments"])
log = structlog.get_logger(__name__)

Name = Annotated[str, Path(max_length=200)]


@routes.post("", operation_id="create_experiment", status_code=201, responses=responses(409))
async def create_experiment(
    draft: ExperimentDraft, here: Here, _user: User, response: Response
) -> Experiment:
    """Make an experiment. A submission makes the one that it names, so this is for giving it a description first."""
    async with here.database.transaction() as session:
        made = await experiments.create_experiment(session, draft)
    if isinstance(made, NameTaken):
        raise _taken(made)
    here.experiments_changed()
    response.headers["ETag"] = etag(made)
    return made


@routes.get("", operation_id="list_experiments", responses=responses())
async def list_experiments(
    here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100
) -> Page[Experiment]:
    """List experiments by name, with their jobs counted by state."""
    async with here.database.transaction() as session:
        return await experiments.list_experiments(session, cursor=cursor, limit=limit)


@routes.get("/{name}", operation_id="get_experiment", responses=responses(404))
async def get_experiment(name: Name, here: Here, _user: User, response: Response) -> Experiment:
    """One experiment."""
    async with here.database.transaction() as session:
        found = await experiments.get_experiment(session, name)
    if found is None:
        raise not_found("experiment", name)
    response.headers["ETag"] = etag(found)
    return found


@routes.patch("/{name}", operation_id="update_experiment", responses=responses(404, 409, 412))
async def update_experiment(
    name: Name, patch: ExperimentPatch, here: Here, _user: User, response: Response, if_match: IfMatch = None
) -> Experiment:
    """Rename or describe an experiment. With `If-Match`, only as it was when you read it."""
    async with here.database.transaction() as session:
        await experiments.lock_experiment(session, name)
        found = await experiments.get_experiment(session, name)
        if found is None:
            raise not_found("experiment", name)
        check_match(if_match, found)
        changed = await experiments.patch_experiment(session, name, patch)
    if isinstance(changed, NameTaken):
        raise _taken(changed)
    if changed is None:
        raise not_found("experiment", name)
    here.experiments_changed()
    response.headers["ETag"] = etag(changed)
    return changed


@routes.delete("/{name}", operation_id="delete_experiment", status_code=204, responses=responses(404, 409))
async def delete_experiment(name: Name, here: Here, _user: User, after: BackgroundTasks) -> None:
    """Remove an experiment with its jobs, their history and their files. Refused while a job of it has not ended."""
    async with here.database.transaction() as session:
        deleted = await experiments.delete_experiment(session, name)
    if deleted is None:
        raise not_found("experiment", name)
    if isinstance(deleted, Unfinished):
        have, them = ("job of it has", "it") if deleted.jobs == 1 else ("jobs of it have", "them")
        detail = f"{deleted.jobs} {have} not ended; cancel {them} or wait for {them} first"
        raise Refused(409, "unfinished_jobs", detail)
    here.experiments_changed()
    after.add_task(forget_files, here, deleted.keys)


async def forget_files(here: Parts, keys: list[str]) -> None:
    """Remove the files of jobs that are gone."""
    # No row names them any more: one that stays costs room and nothing else.
    for key in keys:
        try:
            await here.store.delete(key)
        except OSError as error:
            log.warning("artifact_left_behind", key=key, error=str(error))


def _taken(taken: NameTaken) -> Refused:
    return Refused(409, "name_taken", f"there is an experiment {taken.name!r} already")
