"""Sweeps whose cells have ended already, written as the gateway would have: for what reads them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from sqlalchemy import func, insert, update
from sqlmodel import col

from tests.api.conftest import Gateway, packed
from tiltyard_orchestrator.storage.tables import CellRow, JobRow, MetricRow, SweepRow

SWEEP = "5eed000000000000feed"
PROJECT = """
name: attack
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1, help: "Largest change of a pixel (Linf)"}
      attack: {type: string, default: fgm}
      seed: {type: integer, default: 0}
    command: python attack.py {eps} {attack} {seed}
"""
Metrics = Callable[[Mapping[str, Any]], Mapping[str, float]]


def falling(values: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy that falls with eps, twice as fast under pgd, and differs a little from seed to seed."""
    slope = 1 if values["attack"] == "fgm" else 2
    robust = 1 - slope * values["eps"] + 0.01 * (values["seed"] - 1)
    return {"robust_accuracy": robust, "clean_accuracy": 1.0, "queries": 10.0 ** (1 + values["seed"])}


async def swept(
    gateway: Gateway,
    axes: Mapping[str, Sequence[Any]] | None = None,
    metrics: Metrics = falling,
    *,
    states: Mapping[int, str] | None = None,
    sweep: str = SWEEP,
    description: str = "",
) -> str:
    """A grid whose jobs have succeeded with these metrics, but for those cells whose state is given. Gives its id."""
    axes = axes or {"eps": [0, 0.1, 0.2], "attack": ["fgm", "pgd"], "seed": [0, 1, 2]}
    archive = await gateway.upload(packed(MLproject=PROJECT))
    model = await gateway.submit(archive=archive)
    cells = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    ids = [f"{number:06x}{sweep[6:]}" for number in range(len(cells))]
    async with gateway.parts.database.transaction() as session:
        row = await session.get_one(JobRow, model.id)
        like = {name: value for name, value in row.model_dump().items() if name != "idempotency_key"}
        await session.execute(
            insert(SweepRow).values(
                id=sweep, experiment_id=row.experiment_id, mode="grid", cells=len(cells), description=description,
                axes=[{"parameter": name, "values": list(values)} for name, values in axes.items()],
                submission={"experiment": "digits", "archive": archive, "entry_point": "main", "queue": "cpu",
                    "parameters": {}},
            )
        )  # fmt: skip
        made = [
            like | {"id": job, "parameters": values, "sweep_id": sweep}
            for job, values in zip(ids, cells, strict=True)
        ]
        await session.execute(insert(JobRow), made)
        given = states or {}
        await session.execute(
            insert(CellRow),
            [
                {"sweep_id": sweep, "number": at, "digest": f"{at:064x}", "values": values,
                 "job_id": None if given.get(at) == "removed" else ids[at]}
                for at, values in enumerate(cells)
            ],
        )  # fmt: skip
        told = [
            {"job_id": ids[at], "name": name, "value": value, "step": 0, "attempt": 0}
            for at, values in enumerate(cells)
            if given.get(at, "succeeded") == "succeeded"
            for name, value in metrics(values).items()
        ]
        if told:
            await session.execute(insert(MetricRow), told)
        for state in {"succeeded", "failed"} & {"succeeded", *given.values()}:
            ended = [job for at, job in enumerate(ids) if given.get(at, "succeeded") == state]
            await session.execute(
                update(JobRow)
                .where(col(JobRow.id).in_(ended))
                .values(state=state, finished_at=func.now(), dispatch_at=None)
            )
    await gateway.user.post(f"/jobs/{model.id}/cancel")
    return sweep
