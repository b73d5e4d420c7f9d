"""The MLflow run beside an attempt: made before it starts, ended after it, and never in its way.

MLflow is asked over plain HTTP with short time-outs: importing its client would cost seconds, and waiting for a server that
is slow or away would cost the job. What cannot be recorded is left out; the job's own events have it anyway.
"""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from tiltyard.wire import Claim, JobState
from tiltyard_workers.settings import WorkerSettings

log = structlog.get_logger(__name__)

STATUS = {JobState.succeeded: "FINISHED", JobState.failed: "FAILED", JobState.cancelled: "KILLED"}
MOST_METRICS = 1000
GATHER_SECONDS = 60.0
MOST_FILES = 500
MOST_BYTES = 2 << 30


class TrackedRun:
    """A run in MLflow, as far as MLflow was there.

    Args:
        url: the tracking server; None where there is none.
        claim: the attempt that it records.
    """

    def __init__(self, url: str | None, claim: Claim) -> None:
        self._url = url
        self._claim = claim
        self._http = httpx.Client(
            base_url=f"{(url or 'http://none.invalid').rstrip('/')}/",
            timeout=httpx.Timeout(5, connect=2),
            trust_env=False,
        )
        self._metrics: list[dict[str, Any]] = []
        self.run_id: str = ""
        self.experiment_id: str = ""
        self._artifact_root = ""

    @classmethod
    def begin(cls, settings: WorkerSettings, claim: Claim, _root: Path) -> "TrackedRun":
        """Make the run, if MLflow answers within seconds."""
        run = cls(settings.mlflow_url, claim)
        if settings.mlflow_url is not None:
            with run._tolerantly("begin"):
                run.experiment_id = run._experiment()
                run._create()
        return run

    @property
    def environment(self) -> dict[str, str]:
        """What tells MLflow's client in the job where to record."""
        found = {
            "MLFLOW_TRACKING_URI": self._url or "",
            "MLFLOW_EXPERIMENT_ID": self.experiment_id,
            "MLFLOW_RUN_ID": self.run_id,
        }
        if not self._url:
            return {}
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        }
        return {name: value for name, value in found.items() if value} | quiet

    def metric(self, data: dict[str, Any]) -> None:
        """Note a metric that the script told; all are recorded when the attempt ends."""
        if len(self._metrics) < MOST_METRICS:
            value = float(data["value"])
            self._metrics.append(
                {
                    "key": data["name"],
                    "value": value if math.isfinite(value) else str(data["value"]),
                    "step": data["step"] or 0,
                    "timestamp": int(time.time() * 1000),
                }
            )

    def end(self, state: JobState, archive: Path) -> None:
        """Record metrics, archive and end."""
        if not self.run_id:
            return
        with self._tolerantly("metrics"):
            if self._metrics:
                self._post("runs/log-batch", {"run_id": self.run_id, "metrics": self._metrics})
        with self._tolerantly("archive"):
            self._upload(f"archive/{self._claim.archive[:12]}.archive", archive)
        with self._tolerantly("end"):
            now = int(time.time() * 1000)
            self._post("runs/update", {"run_id": self.run_id, "status": STATUS[state], "end_time": now})

    def artifacts(self, into: Path) -> Iterator[tuple[str, Path]]:
        """Bring what the script logged to MLflow into a folder, file by file, for as long as that is quick."""
        if not self.run_id:
            return
        deadline, count, size = time.monotonic() + GATHER_SECONDS, 0, 0
        for name, length in self._listed(""):
            if name.startswith("archive/"):
                continue
            count, size = count + 1, size + length
            if count > MOST_FILES or size > MOST_BYTES or time.monotonic() > deadline:
                log.warning("mlflow_artifacts_left_out", run=self.run_id)
                return
            path = into / f"{count}.artifact"
            with self._tolerantly("artifact"):
                self._download(name, path)
                yield name, path

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _experiment(self) -> str:
        name = self._claim.experiment
        for _ in range(2):
            answer = self._http.get(
                "api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": name}
            )
            if answer.is_success:
                return str(answer.json()["experiment"]["experiment_id"])
            with contextlib.suppress(httpx.HTTPStatusError):  # another attempt may make it at this moment
                self._post("experiments/create", {"name": name})
        return str(answer.raise_for_status().json()["experiment"]["experiment_id"])

    def _create(self) -> None:
        claim = self._claim
        tags = {
            "mlflow.runName": f"{claim.entry_point.name} {claim.job[:8]}",
            "mlflow.source.name": claim.entry_point.name,
            "mlflow.source.type": "PROJECT",
            "tiltyard.job": claim.job,
            "tiltyard.attempt": str(claim.attempt),
            "tiltyard.queue": claim.queue,
            "tiltyard.archive": claim.archive,
        }
        made = self._post(
            "runs/create",
            {
                "experiment_id": self.experiment_id,
                "start_time": int(time.time() * 1000),
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
        )
        info = made["run"]["info"]
        self.run_id, self._artifact_root = str(info["run_id"]), str(info["artifact_uri"])
        params = [{"key": name, "value": _text(value)} for name, value in claim.parameters.items()]
        for start in range(0, len(params), 100):
            self._post("runs/log-batch", {"run_id": self.run_id, "params": params[start : start + 100]})

    def _proxied(self, path: str) -> str | None:
        # With --serve-artifacts, `mlflow-artifacts:/EXPERIMENT/RUN/artifacts` is served over HTTP by the same server.
        if not self._artifact_root.startswith("mlflow-artifacts:/"):
            return None
        root = self._artifact_root.removeprefix("mlflow-artifacts:/").lstrip("/")
        return f"api/2.0/mlflow-artifacts/artifacts/{quote(f'{root}/{path}')}"

    def _upload(self, name: str, source: Path) -> None:
        url = self._proxied(name)
        if url is not None:
            with source.open("rb") as content:
                self._http.put(url, content=content, timeout=30).raise_for_status()

    def _download(self, name: str, path: Path) -> None:
        url = self._proxied(name)
        if url is None:
            raise httpx.UnsupportedProtocol("the tracking server does not serve its artifacts")
        path.parent.mkdir(exist_ok=True)
        with self._http.stream("GET", url, timeout=30) as answer, path.open("wb") as out:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                out.write(chunk)

    def _listed(self, folder: str) -> Iterator[tuple[str, int]]:
        found: list[dict[str, Any]] = []
        with self._tolerantly("list"):
            params = {"run_id": self.run_id} | ({"path": folder} if folder else {})
            answer = self._http.get("api/2.0/mlflow/artifacts/list", params=params)
            found = answer.raise_for_status().json().get("files", [])
        for file in found:
            if file.get("is_dir"):
                yield from self._listed(str(file["path"]))
            else:
                yield str(file["path"]), int(file.get("file_size") or 0)

    def _post(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"api/2.0/mlflow/{call}", json=body)
        return dict(answer.raise_for_status().json())

    @contextlib.contextmanager
    def _tolerantly(self, step: str) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "mlflow_left_out", step=step, job=self._claim.job, error=str(error) or type(error).__name__
            )


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:6000]
