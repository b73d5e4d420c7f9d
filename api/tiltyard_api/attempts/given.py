"""What an attempt is given of other jobs and of the model registry: a file as it is, a folder as a tar."""

from fastapi import Request
from fastapi.responses import Response

from tiltyard.wire import InputKind, JobInput
from tiltyard_api.artifacts.folders import folder_items
from tiltyard_api.http.problems import Refused, not_found
from tiltyard_api.mlflow.registry import refusal
from tiltyard_api.models.files import model_items
from tiltyard_api.parts import Parts
from tiltyard_api.transfer.download import Stored, send
from tiltyard_api.transfer.packing import Packing, send_packed
from tiltyard_orchestrator.storage.jobs.inputs import Files
from tiltyard_orchestrator.tracking.model_files import NotServed
from tiltyard_orchestrator.tracking.server import TrackingRefused


async def send_input(here: Parts, request: Request, given: JobInput, files: Files) -> Response:
    """Answer with an input. The worker checks its digest: what changed since the job was given it does not start.

    Raises:
        Refused: it is not there any more.
    """
    if given.kind is InputKind.model:
        return await _send_model(here, given)
    if not files:
        raise not_found("input", given.parameter)
    if given.folder:
        return await send_packed(folder_items(here, files, given.path or ""), Packing.tar, given.parameter)
    [(artifact, key)] = files
    name = artifact.path.rsplit("/", 1)[-1]
    return await send(here, request, Stored(key=key, size=artifact.size, sha256=artifact.sha256, name=name))


async def _send_model(here: Parts, given: JobInput) -> Response:
    tracking = here.tracking
    if tracking is None:
        raise Refused(409, "no_mlflow", "this testbed has no MLflow any more")
    model, version = given.model or "", given.version or ""
    try:
        items = await model_items(tracking, model, version)
    except TrackingRefused as refused:
        raise await refusal(tracking, refused, model, version) from refused
    except NotServed as error:
        raise Refused(404, "no_such_model", f"{given.reference} is not to be had: {error}") from error
    return await send_packed(items, Packing.tar, given.parameter)
