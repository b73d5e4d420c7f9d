"""Models: MLflow's registry, by our rules for names, lists, problems and tokens. Nothing of it is kept here."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Response

from tiltyard.wire import Model, ModelDraft, ModelPatch, Page
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, Name
from tiltyard_api.http.problems import responses
from tiltyard_api.mlflow.registry import model_exists, registry
from tiltyard_api.parts import Here
from tiltyard_orchestrator.storage.cursor import decode_name, encode
from tiltyard_orchestrator.tracking.registry import TAKEN, get_model, search_models, set_tags
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused

routes = APIRouter(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(min_length=1, max_length=250, description="The model's name.")]


@routes.post("", operation_id="create_model", status_code=201, responses=responses(409))
async def create_model(draft: ModelDraft, response: Response, here: Here, _user: User) -> Model:
    """Make a registered model. Registering a version makes its own when there is none."""
    tags = [{"key": key, "value": value} for key, value in draft.tags.items()]
    body = {"name": draft.name, "description": draft.description, "tags": tags}
    async with registry(here, draft.name) as tracking:
        await tracking.post("registered-models/create", body)
        made = await get_model(tracking, draft.name)
    response.headers["Location"] = address(draft.name)
    return made


@routes.get("", operation_id="list_models", responses=responses(409))
async def list_models(
    here: Here, _user: User, search: Name = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Model]:
    """List the registered models by name; with `search`, those whose name holds it."""
    token = None if cursor is None else decode_name(cursor)
    async with registry(here) as tracking:
        page = await search_models(tracking, search=search, limit=limit, token=token)
    return Page(items=page.items, next=page.next and encode(page.next))


@routes.get("/{name}", operation_id="get_model", responses=responses(404, 409))
async def get_one_model(name: ModelName, here: Here, _user: User) -> Model:
    """One registered model: its aliases, and its newest version."""
    async with registry(here, name) as tracking:
        return await get_model(tracking, name)


@routes.patch("/{name}", operation_id="update_model", responses=responses(404, 409))
async def update_model(name: ModelName, patch: ModelPatch, here: Here, _user: User) -> Model:
    """Describe, tag or rename a model. Jobs keep the name that they were given."""
    async with registry(here, name) as tracking:
        # First what may be refused: then nothing is changed.
        if patch.name is not None and patch.name != name:
            await _rename(tracking, name, patch.name)
            name = patch.name
        if patch.description is not None:
            body = {"name": name, "description": patch.description}
            await tracking.ask("PATCH", "registered-models/update", body=body)
        await set_tags(tracking, name, patch.tags)
        return await get_model(tracking, name)


async def _rename(tracking: Tracking, name: str, to: str) -> None:
    try:
        await tracking.post("registered-models/rename", {"name": name, "new_name": to})
    except TrackingRefused as refused:
        if refused.code == TAKEN:
            raise model_exists(to) from refused
        raise


def address(name: str) -> str:
    """Where a model is found: a name may be of any script, and a header of none but ours."""
    return f"/api/v1/models/{quote(name, safe='')}"


@routes.delete("/{name}", operation_id="delete_model", status_code=204, responses=responses(404, 409))
async def delete_model(name: ModelName, here: Here, _user: User) -> None:
    """Remove a model with all its versions from the registry; their files stay with the runs that they come from."""
    async with registry(here, name) as tracking:
        await tracking.ask("DELETE", "registered-models/delete", body={"name": name})
