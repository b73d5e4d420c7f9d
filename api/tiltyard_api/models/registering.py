"""Registering: a job's artifact becomes the next version of a model in MLflow's registry.

What the job logged to MLflow as a model stays where it is. Any other file or folder of the job is copied, piece by piece, to
the artifacts of its run, so that every MLflow client finds it there; a job without a run is given one. A copy that fails
half-way registers nothing, and is done again the next time.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tiltyard.archive.content import content_digest
from tiltyard.wire import Job, ProblemItem, VersionDraft
from tiltyard_api.artifacts.folders import folder_items
from tiltyard_api.http.problems import invalid
from tiltyard_api.parts import Parts
from tiltyard_api.transfer.packing import exactly
from tiltyard_orchestrator.domain.inputs import Input
from tiltyard_orchestrator.storage.jobs.inputs import Files, find_files
from tiltyard_orchestrator.tracking import model_files, registry
from tiltyard_orchestrator.tracking.experiments import MLFLOWS_OWN
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused

FOLDER = "tiltyard"
"""Of a run's artifacts: where copies go, each in a folder named after its digest."""
_KEPT = "mlflow/"
"""Below it a job keeps copies of what it logged to MLflow."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the files of a version are."""

    uri: str
    run_id: str
    sha256: str
    model_id: str | None = None
    file: str | None = None
    """The name of the only file."""


async def register(here: Parts, tracking: Tracking, name: str, job: Job, draft: VersionDraft) -> str:
    """Make the next version of a model of an artifact; gives its number.

    Raises:
        Refused: the job left no such artifact.
        TrackingAway, TrackingRefused, NotServed, StoreAway: as MLflow and the store do.
    """
    path = draft.path.strip("/")
    source = await _logged(tracking, job, path) or await _copied(here, tracking, job, path, draft.path)
    await registry.ensure_model(tracking, name)
    tags = {
        **draft.tags,
        registry.JOB_TAG: job.id,
        registry.PATH_TAG: path,
        registry.DIGEST_TAG: source.sha256,
        **({registry.FILE_TAG: source.file} if source.file else {}),
    }
    body: dict[str, Any] = {
        "name": name,
        "source": source.uri,
        "run_id": source.run_id,
        "description": draft.description,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    made = await tracking.post(
        "model-versions/create", body | ({"model_id": source.model_id} if source.model_id else {})
    )
    version = str(made["model_version"]["version"])
    for alias in draft.aliases:
        await registry.set_alias(tracking, name, alias, version)
    return version


async def _logged(tracking: Tracking, job: Job, path: str) -> Source | None:
    """What a job logged to MLflow as a model, by the name or the path that it was logged under."""
    run_id = job.mlflow_run_id
    if run_id is None:
        return None
    name = path.removeprefix(_KEPT)
    try:
        logged = await model_files.logged_model(tracking, run_id, name)
        uri = logged["artifact_uri"] if logged else f"{await model_files.run_folder(tracking, run_id)}/{name}"
    except TrackingRefused as refused:
        if refused.code == registry.UNKNOWN:  # the run is gone
            return None
        raise
    root = await model_files.served_folder(tracking, uri)
    files = model_files.Files(root=root, files=tuple(await tracking.list_files(root)))
    if files.find(model_files.MLMODEL) is None:
        return None
    model_id = logged["model_id"] if logged else None
    return Source(
        uri=f"models:/{model_id}" if model_id else uri,
        run_id=run_id,
        sha256=await model_files.digest_of(tracking, files),
        model_id=model_id,
    )


async def _copied(here: Parts, tracking: Tracking, job: Job, path: str, asked: str) -> Source:
    """A copy of an artifact of ours among the artifacts of the job's run."""
    one = Input(parameter="path", job=job.id, path=path, folder=asked.endswith("/"))
    async with here.database.transaction() as session:
        files = await find_files(session, one) if path else []
    if not files:
        detail = f"job {job.id} left no {path!r}; `tiltyard artifacts ls {job.id}` lists what it left"
        raise invalid([ProblemItem(pointer="/path", code="unknown_artifact", detail=detail)])
    file = PurePosixPath(path).name if [artifact.path for artifact, _ in files] == [path] else None
    digest = _digest(files, path, file)
    run_id, root = await _run(here, tracking, job)
    folder = f"{FOLDER}/{digest[:16]}"
    served = await model_files.served_folder(tracking, f"{root}/{folder}")
    for item in folder_items(here, files, "" if file else path):
        inside = file or item.name
        await tracking.put_stream(f"{served}/{inside}", exactly(item), item.size)
    return Source(uri=f"{root}/{folder}", run_id=run_id, sha256=digest, file=file)


def _digest(files: Files, path: str, file: str | None) -> str:
    if file is not None:
        return content_digest({file: files[0][0].sha256})
    return content_digest({artifact.path.removeprefix(f"{path}/"): artifact.sha256 for artifact, _ in files})


async def _run(here: Parts, tracking: Tracking, job: Job) -> tuple[str, str]:
    """The run that a job's copies belong to, and where its artifacts are; one is made where there is none."""
    if job.mlflow_run_id is not None:
        try:
            return job.mlflow_run_id, await model_files.run_folder(tracking, job.mlflow_run_id)
        except TrackingRefused as refused:
            if refused.code != registry.UNKNOWN:
                raise
    experiment = here.experiments and await here.experiments.ensure(job.experiment)
    wanted = {
        "experiment_ids": [experiment or MLFLOWS_OWN],
        "filter": f"tags.`{registry.JOB_TAG}` = {registry.quoted(job.id)}",
        "max_results": 1,
    }
    runs = (await tracking.post("runs/search", wanted)).get("runs", [])
    if not runs:
        tags = {registry.JOB_TAG: job.id, "mlflow.runName": f"{job.entry_point} {job.id[:8]}"}
        at = int(job.created_at.timestamp() * 1000)
        made = await tracking.post(
            "runs/create",
            {
                "experiment_id": experiment or MLFLOWS_OWN,
                "start_time": at,
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
        )
        ended = {"run_id": made["run"]["info"]["run_id"], "status": "FINISHED", "end_time": at}
        await tracking.post("runs/update", ended)
        runs = [made["run"]]
    info = runs[0]["info"]
    return str(info["run_id"]), str(info["artifact_uri"])
