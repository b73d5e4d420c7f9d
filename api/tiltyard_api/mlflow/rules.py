"""What a job may do in MLflow: read everything, and write to its own run, its own experiment, and models of its own.

Whose a run or a model is says its tag `tiltyard.job`, which the gateway writes and no job can. A worker may do what recording
its jobs takes. A user may do everything that is served.
"""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
NESTED_TAG = "tiltyard.nested"
"""Of a run that a job's script made beside the one that its worker made for the attempt."""
MOST_REMEMBERED = 10_000
MAY = (
    "a job may read everything, write to its own run and experiment, and register models of its own run;"
    " what else is to change, change from outside with your own token"
)
_LOGGED = re.compile(r"models:/(?P<id>m-[0-9a-z]+)")
"""The source of a version that was registered from a logged model of no run."""
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
_REGISTERED_WRITES = {
    "PATCH registered-models/update",
    "POST registered-models/set-tag",
    "DELETE registered-models/delete-tag",
}
_EXPERIMENT_TAGS = {"POST experiments/set-experiment-tag", "POST experiments/delete-experiment-tag"}
_WORKERS = _RUN_WRITES | {"POST runs/create", "PUT file", "POST experiments/create"}


Judge = Callable[[RunningAttempt, Call, Json], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class _Owned:
    """What never changes of a run or a logged model."""

    job: str
    """Empty where it is no job's."""
    files: str
    """Where they are."""
    nested: bool = False


class Rules:
    """Judges what is to change.

    Args:
        tracking: MLflow, which is asked whose a run is.
        experiments: the experiments in it.
    """

    def __init__(self, tracking: Tracking, experiments: TrackedExperiments) -> None:
        self._tracking = tracking
        self._experiments = experiments
        self._owned: OrderedDict[str, _Owned] = OrderedDict()
        """Runs and logged models that are a job's, by their ids."""
        self._of_jobs: dict[str, Judge] = {
            "POST runs/create": self._check_made,
            "POST logged-models": self._check_made,
            "PUT file": self._check_file,
            "POST runs/delete": self._check_nested,
            "POST runs/restore": self._check_nested,
            "POST experiments/create": _let,  # it is answered with the job's own
            "POST registered-models/create": _let_sign,
            "POST model-versions/create": self._check_registered,
            "DELETE registered-models/alias": self._check_alias,
            **dict.fromkeys(_RUN_WRITES, self._check_runs),
            **dict.fromkeys(_MODEL_WRITES, self._check_model),
            **dict.fromkeys(_VERSION_WRITES, self._check_version),
            **dict.fromkeys(_REGISTERED_WRITES, self._check_begun),
            **dict.fromkeys(_EXPERIMENT_TAGS, self._check_experiment),
        }
        """What judges each call that is for jobs; what else a job asks for is refused."""

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
        judge = self._of_jobs.get(call.name)
        if judge is None:
            raise denied(f"{call.name} is not for jobs: {MAY}")
        await judge(attempt, call, body)

    async def _check_made(self, attempt: RunningAttempt, call: Call, body: Json) -> None:
        await self._check_experiment(attempt, call, body)
        if source := body.get("source_run_id"):
            await self._check_own(attempt, "run", str(source))
        _sign(attempt, body)
        if call.name == "POST runs/create":
            body["tags"].append({"key": NESTED_TAG, "value": "true"})

    async def _check_experiment(self, attempt: RunningAttempt, _call: Call, body: Json) -> None:
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

    async def _check_file(self, attempt: RunningAttempt, call: Call, _body: Json) -> None:
        path = list(call.keys)
        match path:
            case [_, "models", model, "artifacts", _, *_]:
                root = (await self._check_own(attempt, "model", model)).files
            case [_, run, "artifacts", _, *_]:
                root = (await self._check_own(attempt, "run", run)).files
            case _:
                raise denied(f"that is no place of a run of this job's: {MAY}")
        # Where MLflow says that its files are, not where the address says it.
        if not "/".join(path).startswith(f"{root.removeprefix('mlflow-artifacts:').strip('/')}/"):
            raise denied(f"the files of that run or model are elsewhere: {MAY}")

    async def _check_registered(self, attempt: RunningAttempt, _call: Call, body: Json) -> None:
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

    async def _check_alias(self, attempt: RunningAttempt, call: Call, body: Json) -> None:
        """The version that an alias stands on is the job's; one that is set anew may stand on none."""
        asked = {"name": str(body.get("name")), "alias": str(body.get("alias"))}
        try:
            found = await self._tracking.get("registered-models/alias", asked)
        except TrackingRefused as refused:
            if call.name == "POST registered-models/alias" and f"alias {asked['alias']} not found" in str(
                refused
            ):
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
            await self._check_alias(attempt, call, body)

    async def _check_its(self, attempt: RunningAttempt, version: Json) -> None:
        if run := version.get("run_id"):
            await self._check_own(attempt, "run", str(run))
        elif model := _LOGGED.fullmatch(str(version.get("source"))):
            await self._check_own(attempt, "model", model["id"])
        else:
            raise denied(f"that version is of no run of this job's: {MAY}")

    async def _check_model(self, attempt: RunningAttempt, call: Call, _body: Json) -> None:
        await self._check_own(attempt, "model", call.keys[0])

    async def _check_nested(self, attempt: RunningAttempt, _call: Call, body: Json) -> None:
        run = str(body.get("run_id"))
        if not (await self._check_own(attempt, "run", run)).nested:
            raise denied(
                f"run {run!r} is the record of this job's attempt, and is not the job's to remove: {MAY}"
            )

    async def _check_begun(self, attempt: RunningAttempt, _call: Call, body: Json) -> None:
        name = str(body.get("name"))
        model = (await self._tracking.get("registered-models/get", {"name": name}))["registered_model"]
        _check_job(attempt, f"the registered model {name!r}", _tagged(model.get("tags"), JOB_TAG))

    async def _check_own(self, attempt: RunningAttempt, kind: str, name: str) -> _Owned:
        """What it is.

        Raises:
            Refusal: it is not this job's.
        """
        found = self._owned.get(name) or await self._look_up(kind, name)
        _check_job(attempt, f"{kind} {name!r}", found.job)
        return found

    async def _look_up(self, kind: str, name: str) -> _Owned:
        try:
            found = await self._described(kind, name)
        except TrackingRefused as refused:
            code = "RESOURCE_DOES_NOT_EXIST" if refused.status == 404 else "INVALID_PARAMETER_VALUE"
            raise Refusal(code, str(refused)) from refused
        if found.job:
            self._owned[name] = found
            while len(self._owned) > MOST_REMEMBERED:
                self._owned.popitem(last=False)
        return found

    async def _described(self, kind: str, name: str) -> _Owned:
        if kind == "run":
            run = (await self._tracking.get("runs/get", {"run_id": name}))["run"]
            tags = run["data"].get("tags")
            return _Owned(
                job=_tagged(tags, JOB_TAG),
                files=str(run["info"]["artifact_uri"]),
                nested=bool(_tagged(tags, NESTED_TAG)),
            )
        # A name in a path could be a path: what MLflow makes up itself is letters, digits and a hyphen.
        if not name.replace("-", "").isalnum():
            raise wrong(f"{name[:200]!r} is no logged model's id")
        info = (await self._tracking.get(f"logged-models/{name}"))["model"]["info"]
        return _Owned(job=_tagged(info.get("tags"), JOB_TAG), files=str(info["artifact_uri"]))


async def _let(_attempt: RunningAttempt, _call: Call, _body: Json) -> None:
    """Nothing is to be judged."""


async def _let_sign(attempt: RunningAttempt, _call: Call, body: Json) -> None:
    """Anybody may begin one; whose it is stands in it."""
    _sign(attempt, body)


def _sign(attempt: RunningAttempt, body: Json) -> None:
    """Write the job's own name into what it makes."""
    body["tags"] = [*(body.get("tags") or []), {"key": JOB_TAG, "value": attempt.job}]


def _check_job(attempt: RunningAttempt, what: str, job: str) -> None:
    if job != attempt.job:
        whose = f"job {job}'s" if job else "no job's"
        raise denied(f"{what} is {whose}, and this is job {attempt.job}: {MAY}")


def _tagged(tags: Any, key: str) -> str:
    return next((str(tag["value"]) for tag in tags or [] if tag["key"] == key), "")


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
