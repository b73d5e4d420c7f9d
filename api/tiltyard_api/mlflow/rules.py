"""What a job may do in MLflow: read everything, and write to its own run, its own experiment, and versions of its own models.

Whose a run is says its tag `tiltyard.job`, which the gateway writes and no job can. A worker may do what recording its jobs
takes. A user may do everything that is served.
"""

from collections import OrderedDict
from typing import Any

from tiltyard_api.mlflow.bodies import Json
from tiltyard_api.mlflow.callers import Caller
from tiltyard_api.mlflow.calls import Call
from tiltyard_api.mlflow.refusal import Refusal, denied, wrong
from tiltyard_orchestrator.storage.access.tokens import RunningAttempt
from tiltyard_orchestrator.tracking.experiments import TrackedExperiments
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused

OURS = "tiltyard."
JOB_TAG = "tiltyard.job"
MOST_REMEMBERED = 10_000
MAY = (
    "a job may read everything, write to its own run and experiment, and register models of its own run;"
    " what else is to change, change from outside with your own token"
)
_RUN_WRITES = {
    f"POST runs/{verb}"
    for verb in (
        "update", "log-metric", "log-batch", "log-parameter", "log-model", "log-inputs", "outputs", "set-tag", "delete-tag",
    )
}  # fmt: skip
_MODEL_WRITES = {
    "PATCH logged-models/{}",
    "POST logged-models/{}/params",
    "PATCH logged-models/{}/tags",
    "DELETE logged-models/{}/tags/{}",
}
_VERSION_WRITES = {
    "PATCH model-versions/update",
    "POST model-versions/set-tag",
    "DELETE model-versions/delete-tag",
    "POST model-versions/transition-stage",
    "POST registered-models/alias",
}
_EXPERIMENT_TAGS = {"POST experiments/set-experiment-tag", "POST experiments/delete-experiment-tag"}
_WORKERS = _RUN_WRITES | {"POST runs/create", "PUT file", "POST experiments/create"}


class Rules:
    """Judges what is to change.

    Args:
        tracking: MLflow, which is asked whose a run is.
        experiments: the experiments in it.
    """

    def __init__(self, tracking: Tracking, experiments: TrackedExperiments) -> None:
        self._tracking = tracking
        self._experiments = experiments
        self._jobs: OrderedDict[str, tuple[str, str]] = OrderedDict()
        """Of runs and logged models: the job they are of, and where their files are. Neither ever changes."""

    async def judge(self, caller: Caller, call: Call, body: Json) -> None:
        """Refuse what is not the caller's to change; a job's own name is written into what it makes.

        Raises:
            Refusal: it is not.
        """
        if caller.role == "user" or call.kind != "write":
            return
        if caller.role == "worker":
            if call.name not in _WORKERS:
                raise denied("a worker's token records jobs, and changes nothing else")
            return
        assert caller.attempt is not None, "the caller is one"
        await self._judge_job(caller.attempt, call, body)

    async def _judge_job(self, attempt: RunningAttempt, call: Call, body: Json) -> None:
        _check_tags(call, body)
        match call.name:
            case "POST runs/create" | "POST logged-models":
                await self._check_made(attempt, body)
            case "PUT file":
                await self._check_file(attempt, list(call.keys))
            case "POST registered-models/create" | "POST experiments/create":
                return  # the one is anybody's to begin, the other is answered with the job's own
            case "POST model-versions/create":
                await self._check_registered(attempt, body)
            case "DELETE registered-models/alias":
                await self._check_alias(attempt, body)
            case name if name in _RUN_WRITES:
                await self._check_runs(attempt, call, body)
            case name if name in _MODEL_WRITES:
                await self._check_own(attempt, "model", call.keys[0])
            case name if name in _VERSION_WRITES:
                await self._check_version(attempt, call, body)
            case name if name in _EXPERIMENT_TAGS:
                await self._check_experiment(attempt, body)
            case _:
                raise denied(f"{call.name} is not for jobs: {MAY}")

    async def _check_made(self, attempt: RunningAttempt, body: Json) -> None:
        await self._check_experiment(attempt, body)
        if source := body.get("source_run_id"):
            await self._check_own(attempt, "run", str(source))
        body["tags"] = [*(body.get("tags") or []), {"key": JOB_TAG, "value": attempt.job}]

    async def _check_experiment(self, attempt: RunningAttempt, body: Json) -> None:
        own = attempt.mlflow_experiment_id or await self._experiments.ensure(attempt.experiment)
        if str(body.get("experiment_id")) != own:
            raise denied(
                f"this job's experiment is {attempt.experiment!r}, which MLflow knows as {own}: it writes to no other; {MAY}"
            )

    async def _check_runs(self, attempt: RunningAttempt, call: Call, body: Json) -> None:
        named = {str(body[key]) for key in ("run_id", "run_uuid") if body.get(key)}
        if not named:
            raise wrong("no 'run_id' says which run is meant")
        for run in named:
            await self._check_own(attempt, "run", run)
        if call.name != "POST runs/log-inputs":  # what a run read may be anybody's
            await self._check_models(attempt, body)

    async def _check_models(self, attempt: RunningAttempt, body: Json) -> None:
        lists = [said for key in ("metrics", "models") if isinstance(said := body.get(key), list)]
        for said in [body, *(entry for entries in lists for entry in entries if isinstance(entry, dict))]:
            # Inside a list, MLflow takes the other spelling as well.
            for model in {str(said[key]) for key in ("model_id", "modelId") if said.get(key)}:
                await self._check_own(attempt, "model", model)

    async def _check_file(self, attempt: RunningAttempt, path: list[str]) -> None:
        match path:
            case [_, "models", model, "artifacts", _, *_]:
                root = await self._check_own(attempt, "model", model)
            case [_, run, "artifacts", _, *_]:
                root = await self._check_own(attempt, "run", run)
            case _:
                raise denied(f"that is no place of a run of this job's: {MAY}")
        # Where MLflow says that its files are, not where the address says it.
        if not "/".join(path).startswith(f"{root.removeprefix('mlflow-artifacts:').strip('/')}/"):
            raise denied(f"the files of that run or model are elsewhere: {MAY}")

    async def _check_registered(self, attempt: RunningAttempt, body: Json) -> None:
        scheme, _, rest = str(body.get("source")).partition(":")
        first, *more = rest.strip("/").split("/")
        if scheme == "models" and more:
            raise denied(f"a job registers what its own run logged, and not another version again: {MAY}")
        named = [("run", str(body["run_id"]))] if body.get("run_id") else []
        named += [("model", str(body["model_id"]))] if body.get("model_id") else []
        named += [("run", first)] if scheme == "runs" else []
        named += [("model", first)] if scheme == "models" else []
        if not named:
            raise denied(f"a job registers what its own run logged, and this names no run: {MAY}")
        for kind, name in named:
            await self._check_own(attempt, kind, name)

    async def _check_alias(self, attempt: RunningAttempt, body: Json, *, moved: bool = False) -> None:
        asked = {"name": str(body.get("name")), "alias": str(body.get("alias"))}
        try:
            found = await self._tracking.get("registered-models/alias", asked)
        except TrackingRefused as refused:
            if moved and f"alias {asked['alias']} not found" in str(refused):
                return  # it stands on nobody's version
            raise
        try:
            await self._check_its(attempt, found["model_version"])
        except Refusal as refused:
            raise denied(
                f"the alias {asked['alias']!r} stands on a version that is not this job's; {refused}"
            ) from None

    async def _check_version(self, attempt: RunningAttempt, call: Call, body: Json) -> None:
        if call.name.endswith("transition-stage") and body.get("archive_existing_versions"):
            raise denied(f"'archive_existing_versions' changes versions that are not this job's: {MAY}")
        asked = {"name": str(body.get("name")), "version": str(body.get("version"))}
        found = await self._tracking.get("model-versions/get", asked)
        await self._check_its(attempt, found["model_version"])
        if call.name == "POST registered-models/alias":
            await self._check_alias(attempt, body, moved=True)

    async def _check_its(self, attempt: RunningAttempt, version: Json) -> None:
        if run := version.get("run_id"):
            await self._check_own(attempt, "run", str(run))
        elif model := version.get("model_id"):
            await self._check_own(attempt, "model", str(model))
        else:
            raise denied(f"that version is of no run of this job's: {MAY}")

    async def _check_own(self, attempt: RunningAttempt, kind: str, name: str) -> str:
        """Where its files are.

        Raises:
            Refusal: it is not this job's.
        """
        job, root = self._jobs.get(name) or await self._look_up(kind, name)
        if job != attempt.job:
            whose = f"job {job}'s" if job else "no job's"
            raise denied(f"{kind} {name!r} is {whose}, and this is job {attempt.job}: {MAY}")
        return root

    async def _look_up(self, kind: str, name: str) -> tuple[str, str]:
        try:
            found = await self._described(kind, name)
        except TrackingRefused as refused:
            code = "RESOURCE_DOES_NOT_EXIST" if refused.status == 404 else "INVALID_PARAMETER_VALUE"
            raise Refusal(code, str(refused)) from refused
        if found[0]:
            self._jobs[name] = found
            while len(self._jobs) > MOST_REMEMBERED:
                self._jobs.popitem(last=False)
        return found

    async def _described(self, kind: str, name: str) -> tuple[str, str]:
        if kind == "run":
            run = (await self._tracking.get("runs/get", {"run_id": name}))["run"]
            return _job_of(run["data"].get("tags")), str(run["info"]["artifact_uri"])
        # A name in a path could be a path: what MLflow makes up itself is letters, digits and a hyphen.
        if not name.replace("-", "").isalnum():
            raise wrong(f"{name[:200]!r} is no logged model's id")
        info = (await self._tracking.get(f"logged-models/{name}"))["model"]["info"]
        return _job_of(info.get("tags")), str(info["artifact_uri"])


def _job_of(tags: Any) -> str:
    return next((str(tag["value"]) for tag in tags or [] if tag["key"] == JOB_TAG), "")


def _check_tags(call: Call, body: Json) -> None:
    """A job says nothing in our name."""
    tags = body.get("tags") or []
    keys = [tag.get("key") for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else [*tags]
    if call.name.endswith(("set-tag", "delete-tag", "experiment-tag")):
        keys.append(body.get("key"))
    if call.name == "DELETE logged-models/{}/tags/{}":
        keys.append(call.keys[1])
    if any(str(key).strip().casefold().startswith(OURS) for key in keys):
        raise denied(f"tags that begin with {OURS!r} are the testbed's own")
