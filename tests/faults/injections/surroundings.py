"""Faults of what is around a worker: its clock is wrong, or its gateways' MLflow is away.

What is to notice is restarted into it, and out of it again.
"""

import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.faults.scene import Bite, Scene
from tests.servers import free_port, wait_for

SKEWED = Path(__file__).parent / "skewed"
SKEW_SECONDS = 3600
JOBS = 2
"""So many of its jobs must have ended before the fault does."""
JOBS_SECONDS = 60.0


class ClockWrong:
    """A worker's wall clock is an hour off: it dates nothing outside of an attempt, and no lease heeds it."""

    name = "worker's clock wrong"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        seconds = rng.choice([-SKEW_SECONDS, SKEW_SECONDS])
        more = {"TYF_SKEW_SECONDS": str(seconds), "PYTHONPATH": scene.yard.python_path(SKEWED)}
        return _worked(scene, rng, more, f"{seconds:+} s")


class MLflowAway:
    """The gateways' MLflow does not answer, or takes connections and says nothing: jobs are none the worse."""

    name = "MLflow away"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        if rng.random() < 0.5:
            return _tracked(scene, rng, free_port(), "no MLflow")
        door = scene.yard.new_door(scene.yard.client_door.upstreams)
        door.hold()
        bite = _tracked(scene, rng, door.port, "an MLflow that hangs")
        heal = bite.heal

        def close() -> None:
            heal()
            door.close()

        bite.heal = close
        return bite


def _tracked(scene: Scene, rng: random.Random, port: int, said: str) -> Bite:
    """Have a worker run jobs that gateways say are recorded in MLflow."""
    name = rng.choice(sorted(scene.yard.workers))
    bite = Bite(hit=f"{name}, {said}", heal=lambda: _restart_gateways(scene, {}))
    _restart_gateways(scene, {"TILTYARD_MLFLOW_URL": f"http://127.0.0.1:{port}"})
    return _after_jobs(scene, name, bite)


def _worked(scene: Scene, rng: random.Random, more: Mapping[str, str], said: str) -> Bite:
    """Have a worker run jobs in other surroundings."""
    name = rng.choice(sorted(scene.yard.workers))
    bite = Bite(hit=f"{name}, {said}", heal=lambda: _restart(scene, name, {}))
    _restart(scene, name, more)
    return _after_jobs(scene, name, bite)


def _after_jobs(scene: Scene, name: str, bite: Bite) -> Bite:
    before = set(scene.yard.ledger.ended_at(name))
    with suppress(TimeoutError):
        wait_for(lambda: len(set(scene.yard.ledger.ended_at(name)) - before) >= JOBS, seconds=JOBS_SECONDS)
    jobs = len(set(scene.yard.ledger.ended_at(name)) - before)
    bite.hit, bite.bit = f"{bite.hit}, {jobs} jobs", jobs >= JOBS
    return bite


def _restart_gateways(scene: Scene, more: Mapping[str, str]) -> None:
    for gateway in scene.yard.gateways:
        gateway.stop()
        gateway.more = dict(more)
        gateway.start()
        scene.yard.await_gateway(gateway.name)


def _restart(scene: Scene, name: str, more: Mapping[str, str]) -> None:
    worker = scene.yard.workers[name]
    # It says that it serves a moment before it does, and would not end as a worker does.
    wait_for(lambda: name in {held.worker for held in scene.yard.ledger.held()}, seconds=JOBS_SECONDS)
    code = worker.stop()
    assert code == 0, f"{name} ended with {code}"
    worker.more = dict(more)
    worker.start()
    scene.yard.await_consumers()
