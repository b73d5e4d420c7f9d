"""What the `model:` references of submissions stand for: MLflow is asked before a transaction begins, and never inside one.

The digest of a version that was not registered here is found by reading all of it, once in a gateway's life as long as
nobody changes the version.
"""

from collections.abc import Collection

from tiltyard.wire import JobSubmission, ModelVersion, ProblemItem
from tiltyard_api.mlflow.registry import refusal
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.inputs import FoundModel, ModelInput, Models, read_inputs
from tiltyard_orchestrator.domain.parameters import Bound, bind
from tiltyard_orchestrator.tracking.model_files import MLMODEL, Files, NotServed, digest_of, files_of
from tiltyard_orchestrator.tracking.registry import (
    FILE_TAG,
    get_version,
)
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused

MOST_DIGESTS = 1_000


async def models_of(here: Parts, asked: JobSubmission) -> Models:
    """What the models that a submission names stand for; without any, nobody is asked.

    Raises:
        TrackingAway: MLflow cannot be asked now.
    """
    async with here.database.transaction() as session:
        archive = await here.catalogue.archive(session, asked.archive)
    if archive is None:
        return {}
    entry_point = next((one for one in archive.entry_points if one.name == asked.entry_point), None)
    bound = bind(entry_point.parameters, asked.parameters) if entry_point else None
    if entry_point is None or not isinstance(bound, Bound):
        return {}
    found = read_inputs(entry_point.parameters, bound.values)
    return await resolve_models(here, [one for one in found if isinstance(one, ModelInput)])


async def resolve_models(here: Parts, named: Collection[ModelInput]) -> Models:
    """What references to models stand for now, or what is wrong with each. Not to be called inside a transaction.

    Args:
        here: the gateway.
        named: the references, as `read_inputs` finds them; each is asked for once.

    Raises:
        TrackingAway: MLflow cannot be asked now.
        Refused: MLflow fails.
    """
    found: dict[str, FoundModel | ProblemItem] = {}
    for one in named:
        if one.reference not in found:
            found[one.reference] = await _resolve(here, one)
    return found


async def _resolve(here: Parts, one: ModelInput) -> FoundModel | ProblemItem:
    tracking = here.tracking
    if tracking is None:
        return _problem(
            "no_mlflow", "this testbed has no MLflow, and so no models: name an artifact, or a path"
        )
    wanted = one.version or f"@{one.alias}"
    try:
        return await measured(here, tracking, await get_version(tracking, one.model, wanted))
    except TrackingRefused as refused:
        told = await refusal(tracking, refused, one.model, wanted)
        if told.status_code >= 500:
            raise told from refused
        return _problem("unknown_model", told.problem.detail)
    except NotServed as error:
        return _problem("model_not_served", f"{one.reference} cannot be brought to a job: {error}")


async def measured(here: Parts, tracking: Tracking, version: ModelVersion) -> FoundModel | ProblemItem:
    """A version with its digest and its size.

    Raises:
        NotServed: its files cannot be had.
        TrackingAway, TrackingRefused: as `Tracking.get`.
    """
    files = await files_of(tracking, version.model, version.version)
    if not files.files:
        return _problem(
            "model_without_files", f"model {version.model!r} version {version.version} has no files in MLflow"
        )
    digest = version.sha256 or await _digest(here, tracking, version, files)
    return FoundModel(
        model=version.model,
        version=version.version,
        sha256=digest,
        size=files.size,
        file=_only_file(version, files),
    )


async def _digest(here: Parts, tracking: Tracking, version: ModelVersion, files: Files) -> str:
    known = here.model_digests
    key = (version.model, version.version, files)
    if key not in known:
        if len(known) >= MOST_DIGESTS:
            known.clear()
        known[key] = await digest_of(tracking, files)
    return known[key]


def _only_file(version: ModelVersion, files: Files) -> str | None:
    """The name of the file where a version was made of one, and is no model of MLflow's own."""
    if len(files.files) != 1:
        return None
    name = files.inside(files.files[0])
    return name if "/" not in name and name != MLMODEL and version.tags.get(FILE_TAG) == name else None


def _problem(code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer="", code=code, detail=detail)
