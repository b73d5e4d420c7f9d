"""The MLflow run beside an attempt: begun before it, ended after it, and never in its way.

What MLflow cannot be told within seconds is left out; the job's own events have it anyway.
"""

import contextlib
import json
import math
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import structlog

from tiltyard.wire import Claim, JobState
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.tracking.logged_files import LoggedFiles
from tiltyard_workers.tracking.relay import Relay, Tell
from tiltyard_workers.tracking.server import FILE_PATIENCE, TrackingServer
from tiltyard_workers.untrusted import regular_files

log = structlog.get_logger(__name__)

STATUS = {JobState.succeeded: "FINISHED", JobState.failed: "FAILED", JobState.cancelled: "KILLED"}
MOST_METRICS = 20_000
BATCH_METRICS = 1000
"""MLflow takes no more at once."""
CATCH_UP_SECONDS = 2.0
"""How long a job's end waits for an MLflow that is away."""
LATER_SECONDS = 1800.0
LATER_PAUSE_SECONDS = 5.0
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the relay's address, which shows nobody a page
}


class TrackedRun:
    """A run in MLflow, as far as MLflow was there.

    Args:
        server: MLflow; None where there is none.
        claim: the attempt that it records.
        root: the attempt's folder.
        tell: told each metric that the script logs to its run, or to one that it made.
    """

    def __init__(self, server: TrackingServer | None, claim: Claim, root: Path, tell: Tell) -> None:
        self._claim = claim
        self._server = server
        self._experiment = "0"
        self._artifact_uri = ""
        self._metrics: list[dict[str, Any]] = []
        self._started = _now()
        self._description = self._described(secrets.token_hex(16))
        self._relay = Relay(
            self._server,
            root / "mlflow",
            self._description,
            self._create,
            job=claim.job,
            token=claim.token,
            tell=tell,
        )

    @classmethod
    def begin(
        cls, settings: WorkerSettings, claim: Claim, root: Path, tell: Tell = lambda _metric: None
    ) -> "TrackedRun":
        """Make the run, if MLflow answers within seconds; else it is made when MLflow does."""
        token = settings.worker_token.get_secret_value()
        run = cls(TrackingServer(settings.url, token) if claim.tracked else None, claim, root, tell)
        run._relay.catch_up()
        run._relay.start()
        return run

    @property
    def run_id(self) -> str | None:
        """MLflow's name for the run; None while it has none."""
        return self._relay.real_id

    @property
    def environment(self) -> dict[str, str]:
        """What tells MLflow's client in the job where to record."""
        return {
            "MLFLOW_TRACKING_URI": self._relay.url,
            "MLFLOW_TRACKING_TOKEN": self._relay.key,
            "MLFLOW_EXPERIMENT_ID": self._experiment,
            "MLFLOW_RUN_ID": self.run_id or self._relay.given_id,
            **QUIET,
        }

    def metric(self, data: dict[str, Any]) -> None:
        """Note a metric that the script told; all are recorded when the attempt ends."""
        if len(self._metrics) < MOST_METRICS:
            value = float(data["value"])
            shown = value if math.isfinite(value) else str(data["value"])
            self._metrics.append(
                {"key": data["name"], "value": shown, "step": int(data["step"] or 0), "timestamp": _now()}
            )

    def end(self, state: JobState, archive: Path) -> bool:
        """Record metrics, archive and end; tells whether MLflow has everything."""
        deadline = time.monotonic() + (CATCH_UP_SECONDS if self._server else 0)
        while not self._relay.catch_up():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        assert self._server is not None
        server, run_id = self._server, self.run_id
        with self._tolerantly("metrics"):
            for start in range(0, len(self._metrics), BATCH_METRICS):
                batch = self._metrics[start : start + BATCH_METRICS]
                server.post("runs/log-batch", {"run_id": run_id, "metrics": batch})
        with self._tolerantly("archive"):
            self._upload(f"archive/{self._claim.archive}", archive)
        with self._tolerantly("end"):
            server.post("runs/update", {"run_id": run_id, "status": STATUS[state], "end_time": _now()})
        return True

    def end_later(self, state: JobState, archive: Path, folder: Path) -> None:
        """Tell MLflow when it is back, behind the job's end; for half an hour, or until this process ends."""
        self._relay.close()
        self._relay.move(folder)
        threading.Thread(
            target=self._keep_trying, args=(state, archive, folder), name="mlflow-later", daemon=True
        ).start()

    def _keep_trying(self, state: JobState, archive: Path, folder: Path) -> None:
        deadline = time.monotonic() + LATER_SECONDS
        while time.monotonic() < deadline:
            time.sleep(LATER_PAUSE_SECONDS)
            if self.end(state, archive):
                log.info("mlflow_caught_up", job=self._claim.job, run=self.run_id)
                break
        else:
            log.warning("mlflow_left_out", step="everything", job=self._claim.job)
        shutil.rmtree(folder, ignore_errors=True)
        self.close()

    def artifacts(self, into: Path) -> Iterator[tuple[str, Path]]:
        """What the script logged to MLflow, file by file, brought into a folder where it is not here already."""
        if self._server is None or self.run_id is None or self._relay.journal.count:
            for name in regular_files(self._relay.files):
                yield name, self._relay.files / name
            return
        yield from LoggedFiles(
            server=self._server,
            run=self.run_id,
            experiment=self._experiment,
            folder=self._artifact_uri,
            tolerantly=self._tolerantly,
        ).brought(into)

    def abandon(self) -> None:
        """End a run whose attempt was taken away or never started."""
        if self.run_id is not None and self._server is not None:
            with self._tolerantly("abandon"):
                self._server.post(
                    "runs/update", {"run_id": self.run_id, "status": "KILLED", "end_time": _now()}
                )
        self.close()

    def close(self) -> None:
        """Stop the relay and close the connections."""
        self._relay.close()
        if self._server is not None:
            self._server.close()

    def _create(self) -> tuple[str, str]:
        assert self._server is not None
        claim = self._claim
        self._experiment = self._server.ensure_experiment(claim.experiment, claim.mlflow_experiment_id)
        tags = [{"key": key, "value": value} for key, value in self._tags().items()]
        made = self._server.post(
            "runs/create", {"experiment_id": self._experiment, "start_time": self._started, "tags": tags}
        )
        info = made["run"]["info"]
        self._artifact_uri = str(info["artifact_uri"])
        run_id = str(info["run_id"])
        self._description["info"].update(info)
        with self._tolerantly("parameters"):
            params = [{"key": name, "value": _text(value)} for name, value in self._claim.parameters.items()]
            for start in range(0, len(params), 100):
                self._server.post("runs/log-batch", {"run_id": run_id, "params": params[start : start + 100]})
        return run_id, self._artifact_uri

    def _tags(self) -> dict[str, str]:
        claim = self._claim
        return {
            "mlflow.runName": f"{claim.entry_point.name} {claim.job[:8]}",
            "mlflow.source.name": claim.entry_point.name,
            "mlflow.source.type": "PROJECT",
            "tiltyard.job": claim.job,
            "tiltyard.attempt": str(claim.attempt),
            "tiltyard.queue": claim.queue,
            "tiltyard.archive": claim.archive,
        }

    def _described(self, run_id: str) -> dict[str, Any]:
        info = {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": self._tags()["mlflow.runName"],
            "experiment_id": self._experiment,
            "status": "RUNNING",
            "start_time": self._started,
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/{self._experiment}/{run_id}/artifacts",
        }
        tags = [{"key": key, "value": value} for key, value in self._tags().items()]
        return {"info": info, "data": {"tags": tags, "params": [], "metrics": []}, "inputs": {}}

    def _upload(self, name: str, source: Path) -> None:
        assert self._server is not None
        if url := self._server.file_url(self._artifact_uri, name):
            with source.open("rb") as content:
                self._server.http.put(url, content=content, timeout=FILE_PATIENCE).raise_for_status()

    @contextlib.contextmanager
    def _tolerantly(self, step: str) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "mlflow_left_out", step=step, job=self._claim.job, error=str(error) or type(error).__name__
            )


def _now() -> int:
    """Milliseconds, as MLflow counts them."""
    return int(time.time() * 1000)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:6000]
