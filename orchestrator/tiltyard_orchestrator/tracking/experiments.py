"""Keeps MLflow's experiments as ours are: made, renamed and removed together, also when MLflow was away for a while.

Each step reads, asks MLflow without a transaction, and writes down what was told if nothing was told meanwhile: so any number
of gateways may do it at once. MLflow deletes softly, and a deleted experiment keeps its name there; so one that is removed is
renamed first, and one that was deleted behind our back is set aside, never brought back with runs that somebody removed.
"""

import asyncio
import contextlib
from typing import Any

import structlog

from tiltyard_orchestrator.storage import tracked_experiments as storage
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.tracked_experiments import TrackedExperiment
from tiltyard_orchestrator.tracking.server import Tracking, TrackingAway, TrackingRefused

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
AWAY_SECONDS = 15.0
MLFLOWS_OWN = "0"
"""`Default`, where runs go that name no experiment. MLflow cannot be without it."""


class TrackedExperiments:
    """The experiments in MLflow.

    Args:
        database: ours.
        tracking: MLflow.
    """

    def __init__(self, database: Database, tracking: Tracking) -> None:
        self._database = database
        self._tracking = tracking
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: an experiment was made, renamed or removed."""
        self._woken.set()

    async def run(self) -> None:
        """Tell MLflow what it has not heard, for ever."""
        while True:
            pause = EVERY_SECONDS
            self._woken.clear()
            try:
                await self.catch_up()
            except TrackingAway:
                pause = AWAY_SECONDS
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever goes wrong in one round
                log.warning("mlflow_experiments_behind", error=str(error) or type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def catch_up(self) -> None:
        """Tell MLflow everything that it has not heard.

        Raises:
            TrackingAway: it does not answer.
        """
        async with self._database.transaction() as session:
            removals = await storage.find_removals(session)
            untold = await storage.find_untold(session)
        for mlflow_id in removals:
            await self._remove(mlflow_id)
        for experiment in untold:
            try:
                await self._tell(experiment)
            except TrackingRefused as refused:
                log.warning("mlflow_experiment_refused", experiment=experiment.name, error=str(refused))

    async def ensure(self, name: str) -> str | None:
        """MLflow's id of our experiment of this name, made there if there is none; None: we have no such experiment.

        Raises:
            TrackingAway: MLflow does not answer.
            TrackingRefused: it will not have it.
        """
        async with self._database.transaction() as session:
            experiment = await storage.find_tracked(session, name=name)
        if experiment is None:
            return None
        if experiment.mlflow_id is None or experiment.mlflow_name != name:
            return await self._tell(experiment)
        if await self._is_active(experiment.mlflow_id):
            return experiment.mlflow_id
        async with self._database.transaction() as session:
            await storage.forget_told(session, experiment)
        return await self.ensure(name)

    async def _tell(self, experiment: TrackedExperiment) -> str:
        mlflow_id = experiment.mlflow_id
        if mlflow_id is not None and await self._is_active(mlflow_id):
            if not await self._rename(mlflow_id, experiment.name):
                return mlflow_id
        else:
            mlflow_id = await self._find_or_make(experiment.name)
        async with self._database.transaction() as session:
            await storage.note_told(session, experiment, mlflow_id)
        return mlflow_id

    async def _find_or_make(self, name: str) -> str:
        while True:
            found = await self._named(name)
            if found is not None and found["lifecycle_stage"] == "active":
                return str(found["experiment_id"])
            if found is not None:
                await self._set_aside(str(found["experiment_id"]), name)
            try:
                made = await self._tracking.post("experiments/create", {"name": name})
            except TrackingRefused as refused:
                if refused.code != "RESOURCE_ALREADY_EXISTS":
                    raise
                continue  # another gateway made it at this moment
            return str(made["experiment_id"])

    async def _rename(self, mlflow_id: str, name: str) -> bool:
        """Rename it; tells whether it has the name now, and not one in passing because another one still has it."""
        holder = await self._named(name)
        free = holder is None or holder["experiment_id"] == mlflow_id
        if holder is not None and not free and holder["lifecycle_stage"] != "active":
            await self._set_aside(str(holder["experiment_id"]), name)
            free = True
        told = name if free else f"{name} ({mlflow_id})"
        await self._tracking.post("experiments/update", {"experiment_id": mlflow_id, "new_name": told})
        return free

    async def _remove(self, mlflow_id: str) -> None:
        async with self._database.transaction() as session:
            unwanted = mlflow_id != MLFLOWS_OWN and not await storage.is_used(session, mlflow_id)
        if unwanted and (found := await self._known(mlflow_id)) and found["lifecycle_stage"] == "active":
            await self._delete_as(mlflow_id, str(found["name"]))
        async with self._database.transaction() as session:
            await storage.forget_removal(session, mlflow_id)

    async def _set_aside(self, mlflow_id: str, name: str) -> None:
        """Take its name from an experiment that was deleted."""
        await self._tracking.post("experiments/restore", {"experiment_id": mlflow_id})
        await self._delete_as(mlflow_id, name)

    async def _delete_as(self, mlflow_id: str, name: str) -> None:
        told = {"experiment_id": mlflow_id, "new_name": f"{name} (deleted {mlflow_id})"}
        await self._tracking.post("experiments/update", told)
        await self._tracking.post("experiments/delete", {"experiment_id": mlflow_id})

    async def _is_active(self, mlflow_id: str) -> bool:
        found = await self._known(mlflow_id)
        return found is not None and found["lifecycle_stage"] == "active"

    async def _known(self, mlflow_id: str) -> dict[str, Any] | None:
        return await self._found("experiments/get", {"experiment_id": mlflow_id})

    async def _named(self, name: str) -> dict[str, Any] | None:
        return await self._found("experiments/get-by-name", {"experiment_name": name})

    async def _found(self, call: str, params: dict[str, str]) -> dict[str, Any] | None:
        try:
            return dict((await self._tracking.get(call, params))["experiment"])
        except TrackingRefused as refused:
            if refused.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
