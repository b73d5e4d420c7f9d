"""Plugins: pushed as raw bytes, read without being imported, checked by a job, and then the current version, or refused."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response

from tiltyard.plugins.limits import PLUGIN
from tiltyard.wire import Page, Plugin, PluginChange, PluginState, PluginVersion
from tiltyard.wire.plugins import PLUGIN_NAME, PLUGIN_VERSION
from tiltyard_api.auth import Anyone, User
from tiltyard_api.http.etags import IfMatch, check_match, etag, hold_still
from tiltyard_api.http.paging import Cursor, Limit
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.plugins.pushing import pushed, read_upload
from tiltyard_api.stream.follow import ring_or_drain
from tiltyard_api.transfer.download import RANGES, Stored, send
from tiltyard_api.transfer.upload import raw_body, receive
from tiltyard_orchestrator.storage.plugins import read as plugins
from tiltyard_orchestrator.storage.plugins.activate import activate
from tiltyard_orchestrator.storage.plugins.delete import Deleted, InUse, delete_plugin, delete_version
from tiltyard_orchestrator.storage.plugins.deprecate import deprecate
from tiltyard_orchestrator.storage.plugins.read import NotReady
from tiltyard_orchestrator.storage.plugins.settle_checks import settle_check

routes = APIRouter(prefix="/plugins", tags=["plugins"])
log = structlog.get_logger(__name__)

NAME = f"^{PLUGIN_NAME}$"
VERSION = f"^{PLUGIN_VERSION}$"
Name = Annotated[str, Path(pattern=NAME)]
Version = Annotated[str, Path(pattern=VERSION)]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its check before answering.")]


@routes.post(
    "",
    operation_id="upload_plugin",
    status_code=201,
    responses={
        200: {"model": PluginVersion, "description": "It was there already"},
        **responses(404, 409, 413, 415, 507),
    },
    openapi_extra=raw_body("The plugin: tar, tar.gz, tar.bz2, tar.xz, zip or wheel, 64 MiB at most."),
)
async def upload_plugin(
    request: Request,
    response: Response,
    here: Here,
    _user: User,
    name: Annotated[str | None, Query(max_length=200)] = None,
    version: Annotated[str | None, Query(max_length=200)] = None,
    queue: Annotated[str, Query(max_length=200, description="Whose worker loads it first.")] = "cpu",
    wait: Wait = 0,
) -> PluginVersion:
    """Push a version. It is loaded in a sandbox on a worker, by the job `check`; once that succeeds it is the current one.

    What the files say of themselves (`plugin.toml`, a wheel's metadata) need not be given; what is given goes before it.
    The same files under the same version are the same push. A version that was refused may be pushed again.
    """
    async with receive(request, here.spool, limit=PLUGIN.packed_bytes) as upload:
        source = await read_upload(here, upload, name=name, version=version)
        done = await pushed(here, source, queue=queue)
    response.status_code = 201 if done.new else 200
    found = await _checked(here, done.version, wait)
    response.headers["Location"] = f"/api/v1/plugins/{found.plugin}/versions/{found.version}"
    response.headers["ETag"] = etag(found)
    return found


@routes.get("", operation_id="list_plugins", responses=responses())
async def list_plugins(here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100) -> Page[Plugin]:
    """List the plugins by name."""
    async with here.database.transaction() as session:
        return await plugins.list_plugins(session, cursor=cursor, limit=limit)


@routes.get("/{name}", operation_id="get_plugin", responses=responses(404))
async def get_plugin(name: Name, here: Here, _user: User, response: Response) -> Plugin:
    """One plugin, and which of its versions is the current one."""
    async with here.database.transaction() as session:
        found = await plugins.get_plugin(session, name)
    if found is None:
        raise not_found("plugin", name)
    response.headers["ETag"] = etag(found)
    return found


@routes.get("/{name}/versions", operation_id="list_plugin_versions", responses=responses(404))
async def list_plugin_versions(
    name: Name, here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100
) -> Page[PluginVersion]:
    """List a plugin's versions, the newest first, without their tasks."""
    async with here.database.transaction() as session:
        page = await plugins.list_versions(session, name, cursor=cursor, limit=limit)
        if not page.items and await plugins.get_plugin(session, name) is None:
            raise not_found("plugin", name)
        return page


@routes.get("/{name}/versions/{version}", operation_id="get_plugin_version", responses=responses(404))
async def get_plugin_version(
    name: Name, version: Version, here: Here, _user: User, response: Response, wait: Wait = 0
) -> PluginVersion:
    """One version with its tasks. With `wait`, the answer comes when its check has ended."""
    found = await _checked(here, await _known(here, name, version), wait)
    response.headers["ETag"] = etag(found)
    return found


@routes.get(
    "/{name}/versions/{version}/content",
    operation_id="download_plugin",
    response_class=Response,
    responses={**RANGES, **responses(404)},
)
async def download_plugin(
    name: Name, version: Version, request: Request, here: Here, _anyone: Anyone
) -> Response:
    """The version's files, as the tar in which they are stored."""
    found = await _known(here, name, version)
    stored = Stored(
        key=plugins.plugin_key(found.sha256),
        size=found.size,
        sha256=found.sha256,
        name=f"{name}-{version}.tar",
        media_type="application/x-tar",
    )
    return await send(here, request, stored)


@routes.post(
    "/{name}/versions/{version}/activate", operation_id="activate_plugin", responses=responses(404, 409)
)
async def activate_plugin(
    name: Name, version: Version, here: Here, _user: User, response: Response
) -> PluginVersion:
    """Give new jobs this version, until a newer one is pushed. Jobs that are there keep theirs."""
    async with here.database.transaction() as session:
        found = await activate(session, name, version)
    if found is None:
        raise _no_version(name, version)
    if isinstance(found, NotReady):
        how = "is being checked" if found.state is PluginState.checking else "was refused"
        raise Refused(409, "plugin_not_ready", f"version {version} of {name} {how}: no job can have it")
    response.headers["ETag"] = etag(found)
    return found


@routes.patch(
    "/{name}/versions/{version}", operation_id="update_plugin_version", responses=responses(404, 409, 412)
)
async def update_plugin_version(
    name: Name,
    version: Version,
    change: PluginChange,
    here: Here,
    _user: User,
    response: Response,
    if_match: IfMatch = None,
) -> PluginVersion:
    """Say that a version is not to be used any more, and why; or take that back. Jobs that name it still run."""
    async with here.database.transaction() as session:
        if if_match is not None:
            await hold_still(session)
        found = await plugins.get_version(session, name, version)
        if found is None:
            raise _no_version(name, version)
        check_match(if_match, found)
        if "deprecated" in change.model_fields_set:
            found = await deprecate(session, name, version, change.deprecated)
    if found is None:
        raise _no_version(name, version)
    response.headers["ETag"] = etag(found)
    return found


@routes.delete(
    "/{name}/versions/{version}",
    operation_id="delete_plugin_version",
    status_code=204,
    responses=responses(404, 409),
)
async def delete_plugin_version(
    name: Name, version: Version, here: Here, _user: User, after: BackgroundTasks
) -> None:
    """Remove a version. Refused while a job that has not ended needs it."""
    async with here.database.transaction() as session:
        gone = await delete_version(session, name, version)
    if gone is None:
        raise _no_version(name, version)
    _finish_delete(here, gone, f"version {version} of {name}", after)


@routes.delete("/{name}", operation_id="delete_plugin", status_code=204, responses=responses(404, 409))
async def delete_whole_plugin(name: Name, here: Here, _user: User, after: BackgroundTasks) -> None:
    """Remove a plugin with all its versions. Refused while a job that has not ended needs one."""
    async with here.database.transaction() as session:
        gone = await delete_plugin(session, name)
    if gone is None:
        raise not_found("plugin", name)
    _finish_delete(here, gone, name, after)


def _finish_delete(here: Parts, gone: Deleted | InUse, what: str, after: BackgroundTasks) -> None:
    if isinstance(gone, InUse):
        some = ", ".join(gone.jobs)
        raise Refused(
            409, "plugin_in_use", f"jobs that have not ended need {what}: {some}; cancel them or wait"
        )
    after.add_task(_forget_files, here, gone.digests)


async def _forget_files(here: Parts, digests: list[str]) -> None:
    # Another version may have the very same files; one that is pushed at this moment looks again after its commit.
    for digest in digests:
        try:
            async with here.database.transaction() as session:
                named = await plugins.is_named(session, digest)
            if not named:
                await here.store.delete(plugins.plugin_key(digest))
        except OSError as error:
            log.warning("plugin_left_behind", sha256=digest, error=str(error))


async def _checked(here: Parts, found: PluginVersion, wait: float) -> PluginVersion:
    """A version whose check has ended, or as it stands when the time is up."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    if wait == 0 or found.check is None or found.state is not PluginState.checking:
        return found
    with here.hints.subscribe(found.check) as bell:
        while True:
            async with here.database.transaction() as session:
                await settle_check(session, found.plugin, found.version)
            found = await _known(here, found.plugin, found.version)
            left = deadline - clock()
            if found.state is not PluginState.checking or left <= 0 or here.draining.is_set():
                return found
            await ring_or_drain(here, bell.wait(min(left, here.pace.poll)))


async def _known(here: Parts, name: str, version: str) -> PluginVersion:
    async with here.database.transaction() as session:
        found = await plugins.get_version(session, name, version)
        if found is None and await plugins.get_plugin(session, name) is None:
            raise not_found("plugin", name)
    if found is None:
        raise _no_version(name, version)
    return found


def _no_version(name: str, version: str) -> Refused:
    return Refused(404, "no_such_version", f"there is no version {version} of a plugin {name}")
