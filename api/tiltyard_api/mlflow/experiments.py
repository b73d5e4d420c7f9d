"""Experiments made, renamed and removed by a client of MLflow's: ours first, then MLflow's beside it, under our rules."""

from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.background import BackgroundTask

from tiltyard.wire import ExperimentDraft, ExperimentPatch
from tiltyard_api.experiments import forget_files
from tiltyard_api.mlflow.bodies import Json
from tiltyard_api.mlflow.callers import Caller
from tiltyard_api.mlflow.refusal import Refusal, denied, wrong
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.storage import experiments, tracked_experiments
from tiltyard_orchestrator.storage.experiments import NameTaken, Unfinished
from tiltyard_orchestrator.tracking.experiments import TrackedExperiments
from tiltyard_orchestrator.tracking.server import Tracking


class ExperimentCalls:
    """Answers the calls that change experiments.

    Args:
        parts: the gateway's.
        tracking: MLflow.
        tracked: the experiments in it.
    """

    def __init__(self, parts: Parts, tracking: Tracking, tracked: TrackedExperiments) -> None:
        self._parts = parts
        self._tracking = tracking
        self._tracked = tracked
        self.names = {
            "POST experiments/create": self.create,
            "POST experiments/update": self.rename,
            "POST experiments/delete": self.remove,
            "POST experiments/restore": self.restore,
        }

    async def create(self, caller: Caller, body: Json) -> Response:
        """Make one; a job gets the experiment that it is of, whatever the name, since it writes to no other."""
        name = body.get("name")
        if caller.attempt is not None:
            name = caller.attempt.experiment
        elif caller.role == "user":
            await self._make(name)
        mlflow_id = await self._tracked.ensure(str(name))
        if mlflow_id is None:
            raise Refusal("RESOURCE_DOES_NOT_EXIST", f"there is no experiment {name!r}")
        if caller.role == "user":
            for tag in body.get("tags") or []:
                await self._tracking.post(
                    "experiments/set-experiment-tag", {"experiment_id": mlflow_id, **tag}
                )
        return JSONResponse({"experiment_id": mlflow_id})

    async def rename(self, _caller: Caller, body: Json) -> Response:
        """Rename ours, and MLflow's after it."""
        name = await self._ours(body)
        patch = ExperimentPatch(name=_checked(body.get("new_name")))
        async with self._parts.database.transaction() as session:
            changed = await experiments.patch_experiment(session, name, patch)
        if isinstance(changed, NameTaken):
            raise _taken(changed.name)
        if changed is not None:
            await self._tracked.ensure(changed.name)
        return JSONResponse({})

    async def remove(self, _caller: Caller, body: Json) -> Response:
        """Remove ours with its jobs, and MLflow's with its runs."""
        name = await self._ours(body)
        async with self._parts.database.transaction() as session:
            deleted = await experiments.delete_experiment(session, name)
        if isinstance(deleted, Unfinished):
            raise Refusal(
                "INVALID_STATE",
                f"{deleted.jobs} jobs of {name!r} have not ended; cancel them or wait for them first",
            )
        await self._tracked.catch_up()
        keys = deleted.keys if deleted is not None else []
        return JSONResponse({}, background=BackgroundTask(forget_files, self._parts, keys))

    async def restore(self, _caller: Caller, _body: Json) -> Response:
        """Refuse: its jobs are gone."""
        raise denied("an experiment that was removed is gone with its jobs: make it anew")

    async def _make(self, name: object) -> None:
        draft = ExperimentDraft(name=_checked(name))
        async with self._parts.database.transaction() as session:
            made = await experiments.create_experiment(session, draft)
            known = await tracked_experiments.find_tracked(session, name=draft.name)
        # One that MLflow has not heard of is none yet to who asks MLflow for it.
        if isinstance(made, NameTaken) and (known is None or known.mlflow_name is not None):
            raise _taken(made.name)

    async def _ours(self, body: Json) -> str:
        asked = str(body.get("experiment_id"))
        async with self._parts.database.transaction() as session:
            found = await tracked_experiments.find_tracked(session, mlflow_id=asked)
        if found is None:
            raise denied(f"{asked!r} is no experiment of this testbed's, and is left as it is")
        return found.name


def _taken(name: str) -> Refusal:
    return Refusal("RESOURCE_ALREADY_EXISTS", f"there is an experiment {name!r} already")


def _checked(name: object) -> str:
    try:
        return ExperimentDraft.model_validate({"name": name}).name
    except ValidationError as error:
        raise wrong(
            f"an experiment's name has 1 to 200 characters and none of / \\ ? # %, and {str(name)[:200]!r} does not"
        ) from error
