"""The way to MLflow's registry, and from what it refuses to problems that say what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tiltyard_api.http.problems import RETRY, Refused
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.parameters import did_you_mean, shown
from tiltyard_orchestrator.tracking.model_files import NotServed
from tiltyard_orchestrator.tracking.registry import TAKEN, UNKNOWN, get_model, search_models
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused


@asynccontextmanager
async def registry(here: Parts, model: str = "", version: str = "") -> AsyncIterator[Tracking]:
    """MLflow, for calls about a model or one of its versions while the block lasts.

    Raises:
        Refused: this testbed has no MLflow, or MLflow will not.
        TrackingAway: it is away.
    """
    if here.tracking is None:
        detail = "this testbed has no MLflow, whose registry this is: set TILTYARD_MLFLOW_URL for the gateway"
        raise Refused(409, "no_mlflow", detail)
    try:
        yield here.tracking
    except TrackingRefused as refused:
        raise await refusal(here.tracking, refused, model, version) from refused
    except NotServed as error:
        raise Refused(409, "model_not_served", str(error)) from error


async def refusal(tracking: Tracking, refused: TrackingRefused, model: str, version: str) -> Refused:
    """The problem for what MLflow refused."""
    said = str(refused)
    if refused.status >= 500:
        return Refused(503, "mlflow_failed", f"MLflow failed: {said[:300]}", headers=RETRY)
    if refused.code == UNKNOWN or ("alias" in said and "not found" in said):
        return await _missing(tracking, model, version)
    if refused.code == TAKEN:
        return model_exists(model)
    return Refused(422, "mlflow_refused", f"MLflow will not have it: {said[:500]}")


def model_exists(name: str) -> Refused:
    """The answer to a name that another model has."""
    return Refused(409, "model_exists", f"there is a model {shown(name)} already")


async def _missing(tracking: Tracking, name: str, version: str) -> Refused:
    try:
        found = await get_model(tracking, name)
    except TrackingRefused:
        names = {one.name for one in (await search_models(tracking, limit=1000)).items}
        return Refused(404, "no_such_model", f"there is no model {shown(name)}{did_you_mean(name, names)}")
    if version.startswith("@"):
        hint = did_you_mean(version[1:], set(found.aliases))
        return Refused(404, "no_such_alias", f"model {shown(name)} has no alias {shown(version[1:])}{hint}")
    newest = f"; its newest is {found.latest}" if found.latest else "; it has none yet"
    return Refused(404, "no_such_version", f"model {shown(name)} has no version {version}{newest}")
