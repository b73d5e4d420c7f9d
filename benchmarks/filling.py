"""The same runs twice: as jobs of ours that have ended, and as runs of MLflow's. Both are written straight into the tables.

Each has five parameters and five metrics, as a robustness study has: attacks over eps with seeds, and what was measured.
"""

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Any

import httpx
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.engine import make_url
from sqlmodel import col

from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.experiments import ensure_experiment
from tiltyard_orchestrator.storage.tables import JobRow, MetricRow

EXPERIMENT = "bench"
ATTACKS = ("fgm", "bim", "pgd", "deepfool", "square")
STEPS = 20
BATCH = 1_000
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was run, and what was measured."""

    parameters: dict[str, float | int | str | bool]
    metrics: dict[str, float]
    started: datetime
    ended: datetime


def runs(count: int) -> Iterator[Run]:
    """So many runs, the same at every call."""
    chance = random.Random(7)
    grid = product(range(count // (len(ATTACKS) * STEPS) + 1), ATTACKS, range(STEPS))
    for number, (seed, attack, step) in zip(range(count), grid, strict=False):
        eps = round(step * 0.02, 2)
        accuracy = max(0.0, 0.97 - eps * (1 + ATTACKS.index(attack)) + chance.gauss(0, 0.02))
        started = BEGAN + timedelta(seconds=number)
        yield Run(
            parameters={"eps": eps, "attack": attack, "seed": seed, "batch_size": 128, "targeted": False},
            metrics={
                "robust_accuracy": accuracy, "clean_accuracy": 0.97, "loss": chance.expovariate(1),
                "queries": float(chance.randrange(100, 10_000)), "seconds": chance.uniform(10, 60),
            },
            started=started,
            ended=started + timedelta(seconds=chance.uniform(10, 60)),
        )  # fmt: skip


async def fill_ours(database_url: str, template: str, count: int) -> None:
    """Write jobs like one that was submitted, ended, with their metrics as they stand."""
    database = Database(database_url)
    async with database.transaction() as session:
        like = (await session.scalars(select(JobRow).where(col(JobRow.id) == template))).one()
        same = {
            name: getattr(like, name)
            for name in ("archive", "entry_point", "command", "queue", "max_attempts")
        }
        same["experiment_id"] = await ensure_experiment(session, EXPERIMENT)
        for batch in _batches(count):
            jobs = [_job(run) | same for run in batch]
            await session.execute(insert(JobRow), jobs)
            metrics = [
                {"job_id": job["id"], "name": name, "value": value, "step": 0, "attempt": 1}
                for job, run in zip(jobs, batch, strict=True)
                for name, value in run.metrics.items()
            ]
            await session.execute(insert(MetricRow), metrics)
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))
    await database.dispose()


def _job(run: Run) -> dict[str, Any]:
    return {
        "id": secrets.token_hex(10), "parameters": run.parameters, "state": "succeeded", "attempt": 1,
        "created_at": run.started, "started_at": run.started, "finished_at": run.ended,
    }  # fmt: skip


def fill_mlflow(server: str, database_url: str, count: int) -> None:
    """Write runs that have finished, with their parameters and metrics."""
    from mlflow.store.tracking.dbmodels import models  # noqa: PLC0415 - it takes seconds

    made = httpx.post(f"{server}/api/2.0/mlflow/experiments/create", json={"name": EXPERIMENT}, timeout=60)
    experiment = made.raise_for_status().json()["experiment_id"]
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        for batch in _batches(count):
            named = [(secrets.token_hex(16), run) for run in batch]
            told = [
                {
                    "run_uuid": name,
                    "key": key,
                    "value": value,
                    "timestamp": _ms(run.ended),
                    "step": 0,
                    "is_nan": False,
                }
                for name, run in named
                for key, value in run.metrics.items()
            ]
            values = [
                {"run_uuid": name, "key": key, "value": str(value)}
                for name, run in named
                for key, value in run.parameters.items()
            ]
            connection.execute(insert(models.SqlRun), [_run(name, run, experiment) for name, run in named])
            connection.execute(insert(models.SqlParam), values)
            connection.execute(insert(models.SqlMetric), told)
            connection.execute(insert(models.SqlLatestMetric), told)
        connection.execute(text("ANALYZE"))
    engine.dispose()


def _run(name: str, run: Run, experiment: str) -> dict[str, Any]:
    return {
        "run_uuid": name, "name": name[:8], "experiment_id": int(experiment), "status": "FINISHED", "user_id": "bench",
        "start_time": _ms(run.started), "end_time": _ms(run.ended), "lifecycle_stage": "active",
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{name}/artifacts", "source_type": "LOCAL", "source_name": "",
        "entry_point_name": "", "source_version": "",
    }  # fmt: skip


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _batches(count: int) -> Iterator[list[Run]]:
    left = runs(count)
    while batch := list(islice(left, BATCH)):
        yield batch
