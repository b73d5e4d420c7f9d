"""A client for tasks that report to the testbed: no job has a password here, and what they report goes the job's own way."""

import os
from types import SimpleNamespace
from typing import Any

import tiltyard


def get_authenticated_worker_client(log: Any = None, client_type: str = "response") -> Any:
    """A client whose `jobs.append_metric_by_id` records a metric of this job; it can do nothing else."""
    del log, client_type
    os.environ.setdefault("__JOB_ID", os.environ.get("TILTYARD_JOB_ID", ""))

    def append_metric_by_id(
        job_id: Any, metric_name: str, metric_value: float, metric_step: int | None = None
    ) -> None:
        del job_id
        tiltyard.metric(metric_name, metric_value, metric_step)

    return SimpleNamespace(jobs=SimpleNamespace(append_metric_by_id=append_metric_by_id))
