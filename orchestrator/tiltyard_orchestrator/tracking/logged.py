"""Metrics that MLflow keeps of a job's run: their histories, which may hold more than the job's events, and what is told it."""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tiltyard.wire.results import Metric, MetricDraft, as_real, written
from tiltyard_orchestrator.tracking.server import Tracking


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A page of the values of a metric, in MLflow's order: by time, then step."""

    items: list[Metric]
    next: str | None


async def read_logged(
    tracking: Tracking, run: str, name: str, *, attempt: int, page: str | None, limit: int
) -> Logged:
    """One page of the values that a run has of a metric; `page` is MLflow's own token. Raises what `Tracking.get` does."""
    asked: dict[str, Any] = {"run_id": run, "metric_key": name, "max_results": limit}
    answer = await tracking.get("metrics/get-history", asked | ({"page_token": page} if page else {}))
    items = [_as_metric(one, name, attempt) for one in answer.get("metrics", [])]
    return Logged(items=[one for one in items if one is not None], next=answer.get("next_page_token") or None)


async def log_metrics(tracking: Tracking, run: str, drafts: Sequence[MetricDraft]) -> None:
    """Tell a run of values, a thousand at most, as MLflow takes them. Raises what `Tracking.post` does."""
    now = int(time.time() * 1000)
    metrics = [
        {"key": one.name, "value": written(one.value), "timestamp": now, "step": one.step} for one in drafts
    ]
    await tracking.post("runs/log-batch", {"run_id": run, "metrics": metrics})


def _as_metric(said: dict[str, Any], name: str, attempt: int) -> Metric | None:
    value = as_real(said.get("value"))
    if value is None:
        return None
    if abs(value) == sys.float_info.max:  # what MLflow's database writes for an infinity
        value = math.copysign(math.inf, value)
    at = datetime.fromtimestamp(int(said.get("timestamp", 0)) / 1000, UTC)
    return Metric(name=name, value=value, step=int(said.get("step", 0)), at=at, attempt=attempt)
