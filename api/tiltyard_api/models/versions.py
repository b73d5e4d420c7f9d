"""Versions of models and the aliases that stand for them: registered from a job's artifact, described, downloaded."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from tiltyard.wire import AliasTarget, Model, ModelVersion, Page, VersionDraft, VersionPatch, models
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit
from tiltyard_api.http.paths import PATH
from tiltyard_api.http.problems import not_found, responses
from tiltyard_api.jobs.routes import known_job
from tiltyard_api.mlflow.registry import registry
from tiltyard_api.models.files import model_items
from tiltyard_api.models.registering import register
from tiltyard_api.models.routes import ModelName, address
from tiltyard_api.parts import Here, Parts
from tiltyard_api.transfer.download import BYTES
from tiltyard_api.transfer.packing import PACKED, Packing, send_file, send_packed
from tiltyard_orchestrator.storage.cursor import decode_name, encode
from tiltyard_orchestrator.storage.jobs.runs import jobs_of_runs
from tiltyard_orchestrator.storage.results.metrics import latest_metrics
from tiltyard_orchestrator.tracking.model_files import description_of, files_of, signature_of
from tiltyard_orchestrator.tracking.registry import (
    get_model,
    get_version,
    search_versions,
    set_alias,
    set_tags,
)
from tiltyard_orchestrator.tracking.server import Tracking

routes = APIRouter(prefix="/models/{name}", tags=["models"])

NewModelName = Annotated[
    models.ModelName, Path(description="The model's name; it is made if it is not there.")
]
Version = Annotated[
    str,
    Path(
        pattern=r"^([1-9][0-9]{0,9}|@[A-Za-z0-9_-]{1,200})$",
        description="Its number, or `@` and an alias of it.",
    ),
]
Alias = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
ONE_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The bytes", "content": BYTES}}


@routes.post("/versions", operation_id="create_model_version", status_code=201, responses=responses(404, 409))
async def create_model_version(
    name: NewModelName, draft: VersionDraft, response: Response, here: Here, _user: User
) -> ModelVersion:
    """Register an artifact of a job as a model's next version; the model is made when there is none.

    What the job logged to MLflow as a model is registered where it is; any other file or folder of it is copied to its run.
    """
    job = await known_job(here, draft.job)
    async with registry(here, name) as tracking:
        made = await register(here, tracking, name, job, draft)
        response.headers["Location"] = f"{address(name)}/versions/{made}"
        return await _described(here, tracking, name, made)


@routes.get("/versions", operation_id="list_model_versions", responses=responses(404, 409))
async def list_model_versions(
    name: ModelName, here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100
) -> Page[ModelVersion]:
    """List a model's versions, the newest first, with the metrics of the jobs that they come from."""
    token = None if cursor is None else decode_name(cursor)
    async with registry(here, name) as tracking:
        page = await search_versions(tracking, name, limit=limit, token=token)
        model = await get_model(tracking, name)
    aliased = [_with_aliases(one, model) for one in page.items]
    return Page(items=await _with_jobs(here, aliased), next=page.next and encode(page.next))


@routes.get("/versions/{version}", operation_id="get_model_version", responses=responses(404, 409))
async def get_model_version(name: ModelName, version: Version, here: Here, _user: User) -> ModelVersion:
    """One version: where it comes from, its signature, and its job's metrics."""
    async with registry(here, name, version) as tracking:
        return await _described(here, tracking, name, version)


@routes.patch("/versions/{version}", operation_id="update_model_version", responses=responses(404, 409))
async def update_model_version(
    name: ModelName, version: Version, patch: VersionPatch, here: Here, _user: User
) -> ModelVersion:
    """Describe or tag a version."""
    async with registry(here, name, version) as tracking:
        number = (await get_version(tracking, name, version)).version
        if patch.description is not None:
            body = {"name": name, "version": number, "description": patch.description}
            await tracking.ask("PATCH", "model-versions/update", body=body)
        await set_tags(tracking, name, patch.tags, number)
        return await _described(here, tracking, name, number)


@routes.delete(
    "/versions/{version}", operation_id="delete_model_version", status_code=204, responses=responses(404, 409)
)
async def delete_model_version(name: ModelName, version: Version, here: Here, _user: User) -> None:
    """Remove a version from the registry, and the aliases that stand for it; its files stay."""
    async with registry(here, name, version) as tracking:
        number = (await get_version(tracking, name, version)).version
        await tracking.ask("DELETE", "model-versions/delete", body={"name": name, "version": number})


@routes.put("/aliases/{alias}", operation_id="put_model_alias", responses=responses(404, 409))
async def put_model_alias(name: ModelName, alias: Alias, to: AliasTarget, here: Here, _user: User) -> Model:
    """Let an alias stand for a version, whatever it stood for. Jobs that were submitted before keep their version."""
    async with registry(here, name, to.version) as tracking:
        await get_version(tracking, name, to.version)
        await set_alias(tracking, name, alias, to.version)
        return await get_model(tracking, name)


@routes.delete(
    "/aliases/{alias}", operation_id="delete_model_alias", status_code=204, responses=responses(404, 409)
)
async def delete_model_alias(name: ModelName, alias: Alias, here: Here, _user: User) -> None:
    """Take an alias away; the version stays."""
    async with registry(here, name, f"@{alias}") as tracking:
        await get_version(tracking, name, f"@{alias}")
        await tracking.ask("DELETE", "registered-models/alias", body={"name": name, "alias": alias})


@routes.get(
    "/versions/{version}/content",
    operation_id="download_model_version",
    response_class=Response,
    responses={**PACKED, **responses(404, 409)},
)
async def download_model_version(
    name: ModelName,
    version: Version,
    here: Here,
    _user: User,
    packing: Annotated[Packing, Query()] = Packing.tar,
) -> Response:
    """All files of a version, as a tar or a zip."""
    async with registry(here, name, version) as tracking:
        number = (await get_version(tracking, name, version)).version
        items = await model_items(tracking, name, number)
        return await send_packed(items, packing, f"{name}-{number}")


@routes.get(
    f"/versions/{{version}}/content/{PATH}",
    operation_id="download_model_file",
    response_class=Response,
    responses={**ONE_FILE, **responses(404, 409)},
)
async def download_model_file(
    name: ModelName, version: Version, path: str, here: Here, _user: User
) -> Response:
    """One file of a version, as an attachment."""
    async with registry(here, name, version) as tracking:
        number = (await get_version(tracking, name, version)).version
        items = await model_items(tracking, name, number)
        found = next((item for item in items if item.name == path), None)
        if found is None:
            raise not_found("file", path)
        return await send_file(found)


async def _described(here: Parts, tracking: Tracking, name: str, version: str) -> ModelVersion:
    found = await get_version(tracking, name, version)
    model = await get_model(tracking, name)
    files = await files_of(tracking, name, found.version)
    said = await description_of(tracking, files)
    flavors = said.get("flavors")
    [shown] = await _with_jobs(here, [_with_aliases(found, model)])
    return shown.model_copy(
        update={
            "size": files.size,
            "files": len(files.files),
            "flavors": sorted(map(str, flavors)) if isinstance(flavors, dict) else [],
            "signature": signature_of(said),
        }
    )


def _with_aliases(version: ModelVersion, model: Model) -> ModelVersion:
    standing = sorted(alias for alias, number in model.aliases.items() if number == version.version)
    return version.model_copy(update={"aliases": standing})


async def _with_jobs(here: Parts, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Versions with the jobs that they come from, and those jobs' metrics."""
    async with here.database.transaction() as session:
        runs = [one.run_id for one in versions if one.job is None and one.run_id is not None]
        by_run = await jobs_of_runs(session, runs)
        jobs = [one.job or by_run.get(one.run_id or "") for one in versions]
        metrics = await latest_metrics(session, [job for job in jobs if job is not None])
    return [
        one.model_copy(
            update={
                "job": job,
                "metrics": {name: metric.value for name, metric in metrics.get(job or "", {}).items()},
            }
        )
        for one, job in zip(versions, jobs, strict=True)
    ]
