"""What a script records reaches MLflow, whether MLflow is there, away, or comes back; the script never notices."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.servers import free_port
from tiltyard.wire import Claim, EntryPoint, JobState
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.tracking import relay as relays
from tiltyard_workers.tracking import run as runs
from tiltyard_workers.tracking.run import TrackedRun

RUN = "f" * 32


class Mlflow(ThreadingHTTPServer):
    """Speaks as much of MLflow's REST as the worker uses, and remembers what it was told."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.told: list[tuple[str, str, Any]] = []
        mlflow = self

        class Answer(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                mlflow.told.append((self.command, path, body))
                said = json.dumps(mlflow.reply(path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", port), Answer)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reply(self, path: str) -> dict[str, Any]:
        if path.endswith("get-by-name"):
            return {"experiment": {"experiment_id": "7"}}
        if path.endswith(("runs/create", "runs/get")):
            info = {"run_id": RUN, "artifact_uri": f"mlflow-artifacts:/7/{RUN}/artifacts"}
            return {"run": {"info": info, "data": {}}}
        return {}

    def calls(self, ending: str) -> list[Any]:
        return [json.loads(body) for _, path, body in self.told if path.endswith(ending)]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow is asked again at once, and its absence is not waited out."""
    monkeypatch.setattr(relays, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(runs, "CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr(runs, "LATER_PAUSE_SECONDS", 0.05)


@pytest.fixture
def claim() -> Claim:
    return Claim(
        job="a" * 20, epoch=1, attempt=1, max_attempts=3, token="t", experiment="digits", archive="b" * 64,
        archive_size=1, project="", entry_point=EntryPoint(name="main", command="python x.py"),
        parameters={"eps": 0.1}, command="python x.py", queue="cpu", lease_seconds=60, renew_seconds=15,
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(b"packed")
    return path


def begin(port: int, claim: Claim, tmp_path: Path) -> TrackedRun:
    settings = WorkerSettings(
        worker_token="t",
        broker_url="redis://nowhere",
        mlflow_url=f"http://127.0.0.1:{port}",
        scratch=tmp_path,
    )
    return TrackedRun.begin(settings, claim, tmp_path)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def mlflow(port: int) -> Iterator[Mlflow]:
    server = Mlflow(port)
    yield server
    server.stop()


def script(run: TrackedRun) -> httpx.Client:
    """What MLflow's own client would be in the job: it knows what the environment says."""
    return httpx.Client(base_url=run.environment["MLFLOW_TRACKING_URI"], trust_env=False)


def log_metric(http: httpx.Client, run: TrackedRun, value: float) -> int:
    body = {"run_id": run.environment["MLFLOW_RUN_ID"], "key": "score", "value": value}
    return http.post("/api/2.0/mlflow/runs/log-metric", json=body).status_code


def test_a_run_is_made_with_the_jobs_parameters_and_tags(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path
) -> None:
    run = begin(port, claim, tmp_path)
    assert (run.run_id, run.environment["MLFLOW_RUN_ID"], run.environment["MLFLOW_EXPERIMENT_ID"]) == (
        RUN,
        RUN,
        "7",
    )
    tags = {tag["key"]: tag["value"] for tag in mlflow.calls("runs/create")[0]["tags"]}
    assert (tags["tiltyard.job"], tags["tiltyard.archive"]) == (claim.job, claim.archive)
    assert mlflow.calls("runs/log-batch")[0]["params"] == [{"key": "eps", "value": "0.1"}]
    run.close()


def test_while_mlflow_answers_requests_pass_through(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        assert log_metric(http, run, 0.5) == 200
    assert mlflow.calls("runs/log-metric") == [{"run_id": RUN, "key": "score", "value": 0.5}]
    run.close()


def test_a_script_records_without_mlflow_and_it_is_told_when_it_comes(
    port: int, claim: Claim, tmp_path: Path, archive: Path
) -> None:
    run = begin(port, claim, tmp_path)
    given = run.environment["MLFLOW_RUN_ID"]
    assert run.run_id is None
    with script(run) as http:
        described = http.get("/api/2.0/mlflow/runs/get", params={"run_id": given}).json()["run"]
        assert described["info"]["run_id"] == given
        assert [log_metric(http, run, value) for value in (0.1, 0.2)] == [200, 200]
        where = described["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        stored = http.put(f"/api/2.0/mlflow-artifacts/artifacts/{where}/deep/report.txt", content=b"a report")
        assert stored.status_code == 200
    assert not run.end(JobState.succeeded, archive)
    assert [(name, path.read_bytes()) for name, path in run.artifacts(tmp_path)] == [
        ("deep/report.txt", b"a report")
    ]

    mlflow = Mlflow(port)
    try:
        assert run.end(JobState.succeeded, archive)
    finally:
        run.close()
        mlflow.stop()
    assert [call["value"] for call in mlflow.calls("runs/log-metric")] == [0.1, 0.2], "in the order they came"
    assert {call["run_id"] for call in mlflow.calls("runs/log-metric")} == {RUN}, "under the run's real name"
    files = {path: body for method, path, body in mlflow.told if method == "PUT"}
    assert files[f"/api/2.0/mlflow-artifacts/artifacts/7/{RUN}/artifacts/deep/report.txt"] == b"a report"
    assert mlflow.calls("runs/update")[-1]["status"] == "FINISHED"


def test_what_mlflow_missed_is_told_to_it_after_the_job_has_ended(
    port: int, claim: Claim, tmp_path: Path, archive: Path, until: Any
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        log_metric(http, run, 0.3)
    assert not run.end(JobState.failed, archive)
    run.end_later(JobState.failed, archive, tmp_path / "later" / "one")
    mlflow = Mlflow(port)
    try:
        from tests.servers import wait_for

        wait_for(lambda: mlflow.calls("runs/update"), seconds=10)
    finally:
        mlflow.stop()
    assert mlflow.calls("runs/update")[-1]["status"] == "FAILED"
    assert [call["value"] for call in mlflow.calls("runs/log-metric")] == [0.3]


def test_of_another_run_nothing_is_answered_in_mlflows_place(port: int, claim: Claim, tmp_path: Path) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        other = http.post(
            "/api/2.0/mlflow/runs/log-metric", json={"run_id": "0" * 32, "key": "x", "value": 1}
        )
        search = http.post("/api/2.0/mlflow/runs/search", json={})
    run.close()
    assert (other.status_code, search.status_code) == (503, 503)
    assert other.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


@pytest.mark.parametrize("name", ["../../outside", "7/x/artifacts/../../../outside", "7/x/artifacts//etc/x"])
def test_a_file_stays_in_its_runs_folder(port: int, claim: Claim, tmp_path: Path, name: str) -> None:
    run = begin(port, claim, tmp_path)
    address = httpx.URL(run.environment["MLFLOW_TRACKING_URI"])
    import http.client

    connection = http.client.HTTPConnection(address.host, address.port or 80)
    connection.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{name}", body=b"x")
    status = connection.getresponse().status
    connection.close()
    run.close()
    written = {path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"x"}
    assert all(path.is_relative_to(tmp_path / "mlflow" / "files") for path in written)
    assert status in {200, 400}
