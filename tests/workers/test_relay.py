"""What a script records reaches MLflow behind the gateway, whether MLflow is there, away, or comes back; the script never notices."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.servers import PATIENCE, free_port, wait_for
from tiltyard.wire import Claim, EntryPoint, JobState
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.tracking import messages, patience
from tiltyard_workers.tracking import relay as relays
from tiltyard_workers.tracking import run as runs
from tiltyard_workers.tracking.run import TrackedRun
from tiltyard_workers.tracking.stand_in import StandIn
from tiltyard_workers.tracking.targets import address_of

RUN = "f" * 32


class Mlflow(ThreadingHTTPServer):
    """Speaks as much of the gateway's `/mlflow` as the worker uses, and remembers what it was told."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.told: list[tuple[str, str, Any]] = []
        self.tokens: dict[str, str] = {}
        """By path, the token that came with the last call."""
        self.names: dict[str, str | None] = {}
        """By path, the job in whose name the last call was."""
        self.targets: dict[str, str] = {}
        """By path, the last call's with its query."""
        self.strangers: set[str] = set()
        self.naming: dict[str, str] = {}
        """What else it says of a run that it makes."""
        mlflow = self

        class Answer(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0].removeprefix("/mlflow")
                mlflow.tokens[path.rpartition("/mlflow/")[2]] = self.headers["Authorization"]
                mlflow.targets[path.removeprefix("/api/2.0/")] = self.path
                mlflow.names[path.rpartition("/mlflow/")[2]] = self.headers["X-Tiltyard-Job"]
                known = self.headers["Authorization"] not in mlflow.strangers
                if known:
                    mlflow.told.append((self.command, path, body))
                said = json.dumps(mlflow.reply(path)).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", port), Answer)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reply(self, path: str) -> dict[str, Any]:
        if path.endswith("experiments/create"):
            return {"experiment_id": "7"}
        if path.endswith(("runs/create", "runs/get")):
            info = {"run_id": RUN, "artifact_uri": f"mlflow-artifacts:/7/{RUN}/artifacts"}
            return {"run": {"info": info | self.naming, "data": {}}}
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
    monkeypatch.setattr(patience, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runs, "CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr(runs, "LATER_PAUSE_SECONDS", 0.05)


@pytest.fixture
def claim() -> Claim:
    return Claim(
        job="a" * 20, epoch=1, attempt=1, max_attempts=3, token="attempts", experiment="digits", archive="b" * 64,
        archive_size=1, project="", entry_point=EntryPoint(name="main", command="python x.py"),
        parameters={"eps": 0.1}, command="python x.py", queue="cpu", lease_seconds=60, renew_seconds=15, tracked=True,
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(b"packed")
    return path


@pytest.fixture
def events() -> list[dict[str, Any]]:
    """The metrics that the attempt's history was told."""
    return []


def begin(port: int, claim: Claim, tmp_path: Path, events: list[dict[str, Any]] | None = None) -> TrackedRun:
    settings = WorkerSettings(
        url=f"http://127.0.0.1:{port}", worker_token="workers", broker_url="redis://nowhere", scratch=tmp_path
    )
    return TrackedRun.begin(settings, claim, tmp_path, [].append if events is None else events.append)


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
    return httpx.Client(
        base_url=run.environment["MLFLOW_TRACKING_URI"], headers=key(run), timeout=PATIENCE, trust_env=False
    )


def key(run: TrackedRun) -> dict[str, str]:
    """With what the job's own calls are let in."""
    return {"Authorization": f"Bearer {run.environment['MLFLOW_TRACKING_TOKEN']}"}


def log_metric(http: httpx.Client, run: TrackedRun, value: float) -> int:
    body = {"run_id": run.environment["MLFLOW_RUN_ID"], "key": "score", "value": value}
    return http.post("/api/2.0/mlflow/runs/log-metric", json=body).status_code


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer x", "Basic {key}", "Bearer {key}x", "{key}"])
@pytest.mark.parametrize("there", [True, False])
def test_another_job_of_the_host_that_finds_the_relay_writes_nothing_to_this_ones_run(
    port: int, claim: Claim, tmp_path: Path, shown: str, there: bool, events: list[dict[str, Any]]
) -> None:
    mlflow = Mlflow(port) if there else None
    run = begin(port, claim, tmp_path, events)
    before = len(mlflow.told) if mlflow else 0
    headers = {"Authorization": shown.format(key=run.environment["MLFLOW_TRACKING_TOKEN"]).strip() or "none"}
    with httpx.Client(
        base_url=run.environment["MLFLOW_TRACKING_URI"], headers=headers, timeout=PATIENCE, trust_env=False
    ) as http:
        assert log_metric(http, run, 1.0) == 401
        assert (
            http.put("/api/2.0/mlflow-artifacts/artifacts/7/x/artifacts/y", content=b"y").status_code == 401
        )
        assert http.get("/version").json()["error_code"] == "UNAUTHENTICATED"
    assert (events, run._relay.journal.count) == ([], 0)
    run.close()
    if mlflow:
        assert mlflow.told[before:] == []
        mlflow.stop()


def test_each_attempt_has_a_key_of_its_own(port: int, claim: Claim, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = begin(port, claim, tmp_path), begin(port, claim, tmp_path / "other")
    assert one.environment["MLFLOW_TRACKING_TOKEN"] != other.environment["MLFLOW_TRACKING_TOKEN"]
    one.close()
    other.close()


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
        wait_for(lambda: mlflow.calls("runs/update"))
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


def test_a_question_waits_for_an_mlflow_that_comes_back_and_names_the_run_by_its_own_name(
    port: int, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WAIT_SECONDS", 60.0)
    asked = Event()
    in_its_place = StandIn.answer

    def tell(stand_in: StandIn, *request: Any) -> Any:
        asked.set()
        return in_its_place(stand_in, *request)

    monkeypatch.setattr(StandIn, "answer", tell)
    run = begin(port, claim, tmp_path)
    given = f"0/{run.environment['MLFLOW_RUN_ID']}/artifacts"
    with script(run) as http, ThreadPoolExecutor() as pool:
        model = pool.submit(
            http.put, "/api/2.0/mlflow-artifacts/artifacts/7/models/m-1/artifacts/x", content=b"x"
        )
        listed = pool.submit(http.get, "/api/2.0/mlflow-artifacts/artifacts", params={"path": given})
        assert asked.wait(PATIENCE)
        mlflow = Mlflow(port)
        try:
            assert (model.result(PATIENCE).status_code, listed.result(PATIENCE).status_code) == (200, 200)
        finally:
            mlflow.stop()
    run.close()
    assert mlflow.targets["mlflow-artifacts/artifacts"].endswith(
        f"?path={quote(f'7/{RUN}/artifacts', safe='')}"
    )


def test_an_mlflow_that_stays_away_is_waited_for_once(
    port: int, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        assert http.post("/api/2.0/mlflow/runs/search", json={}).status_code == 503
        monkeypatch.setattr(patience, "WAIT_SECONDS", 600.0)
        assert http.post("/api/2.0/mlflow/runs/search", json={}, timeout=PATIENCE).status_code == 503
    run.close()


@pytest.mark.parametrize("name", ["../../outside", "7/x/artifacts/../../../outside", "7/x/artifacts//etc/x"])
def test_a_file_stays_in_its_runs_folder(port: int, claim: Claim, tmp_path: Path, name: str) -> None:
    run = begin(port, claim, tmp_path)
    address = httpx.URL(run.environment["MLFLOW_TRACKING_URI"])
    import http.client

    connection = http.client.HTTPConnection(address.host, address.port or 80)
    connection.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{name}", body=b"x", headers=key(run))
    status = connection.getresponse().status
    connection.close()
    run.close()
    written = {path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"x"}
    assert all(path.is_relative_to(tmp_path / "mlflow" / "files") for path in written)
    assert status in {200, 400}


def test_what_a_script_sends_goes_with_its_attempts_token_and_what_we_say_with_the_workers(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        body = {"run_id": RUN, "key": "score", "value": 1}
        forged = {"Authorization": "Bearer forged"}
        assert http.post("/api/2.0/mlflow/runs/log-metric", json=body, headers=forged).status_code == 401
        assert "runs/log-metric" not in mlflow.tokens
        http.post("/api/2.0/mlflow/runs/log-metric", json=body)
    run.close()
    assert mlflow.tokens["runs/create"] == "Bearer workers"
    assert mlflow.tokens["runs/log-metric"] == "Bearer attempts"


def test_what_a_script_logs_to_its_run_is_told_as_it_happens(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    run = begin(port, claim, tmp_path, events)
    with script(run) as http:
        log_metric(http, run, 0.5)
        metrics = [
            {"key": "loss", "value": "NaN", "step": "3", "timestamp": 1},
            {"key": "loss", "value": 1e-3, "step": 4, "timestamp": 1},
            {"key": "loss", "value": "much", "step": 5},
            "nonsense",
        ]
        http.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": RUN, "metrics": metrics})
        again = {**metrics[1], "model_id": "m-1"}  # MLflow's client says so when a model is logged
        http.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": RUN, "metrics": [again]})
    run.close()
    assert events == [
        {"name": "score", "value": 0.5, "step": None},
        {"name": "loss", "value": "NaN", "step": 3},
        {"name": "loss", "value": 0.001, "step": 4},
    ]


def test_what_a_script_logs_to_a_run_that_it_made_is_told_with_that_runs_name(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    run = begin(port, claim, tmp_path, events)
    fold, unknown = "1" * 32, "2" * 32
    mlflow.naming = {"run_id": fold, "run_name": "fold 1"}
    with script(run) as http:
        http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "7", "run_name": "fold 1"})
        for where in (RUN, fold, unknown):
            metric = {"key": "score", "value": 0.5, "step": 1, "timestamp": 1}
            http.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": where, "metrics": [metric]})
        http.post("/api/2.0/mlflow/runs/log-metric", json={"key": "of no run", "value": 1})
    run.close()
    told = {"name": "score", "value": 0.5, "step": 1}
    assert events == [told, told | {"run": fold, "run_name": "fold 1"}, told | {"run": unknown}]


def test_what_mlflow_refuses_to_take_for_another_run_is_not_told(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    run = begin(port, claim, tmp_path, events)
    mlflow.strangers.add("Bearer attempts")
    with script(run) as http:
        other = {"run_id": "0" * 32, "key": "other", "value": 1}
        assert http.post("/api/2.0/mlflow/runs/log-metric", json=other).status_code == 401
    run.close()
    assert events == []


def test_what_a_script_logged_is_brought_with_the_newest_model_of_each_name(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(port, claim, tmp_path)

    def file(path: str, *, is_dir: bool = False) -> dict[str, Any]:
        return {"path": path, "is_dir": is_dir, "file_size": 1}

    def model(number: int, name: str) -> dict[str, Any]:
        told = {
            "model_id": f"m-{number}",
            "name": name,
            "artifact_uri": f"mlflow-artifacts:/7/models/m-{number}",
        }
        return {"info": told | {"creation_timestamp_ms": number}}

    answers: dict[str, dict[str, Any]] = {
        "artifacts/list": {
            "files": [file("notes.txt"), file("net/old.txt"), file(f"archive/{claim.archive}")]
        },
        "logged-models/search": {"models": [model(2, "net"), model(1, "net"), model(3, "other")]},
        "m-2/artifacts/directories": {"files": [file("MLmodel"), file("old.txt")]},
        "m-3/artifacts/directories": {"files": [file("data/x")]},
    }
    usual = mlflow.reply
    found = lambda path: next((said for end, said in answers.items() if path.endswith(end)), None)  # noqa: E731
    monkeypatch.setattr(mlflow, "reply", lambda path: found(path) or {**usual(path), "at": path})
    brought = {
        name: json.loads(path.read_bytes())["at"] for name, path in run.artifacts(tmp_path / "brought")
    }
    run.close()
    files = "/api/2.0/mlflow-artifacts/artifacts/7"
    assert brought == {
        "notes.txt": f"{files}/{RUN}/artifacts/notes.txt",
        "net/old.txt": f"{files}/{RUN}/artifacts/net/old.txt",
        "net/MLmodel": f"{files}/models/m-2/MLmodel",
        "other/data/x": f"{files}/models/m-3/data/x",
    }
    assert mlflow.calls("logged-models/search")[0]["filter"] == f"source_run_id = '{RUN}'"


@pytest.mark.parametrize("remembered", [0, 100])
def test_an_infinity_that_mlflow_gives_back_as_a_number_stays_one(
    mlflow: Mlflow,
    port: int,
    claim: Claim,
    tmp_path: Path,
    events: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    remembered: int,
) -> None:
    monkeypatch.setattr(messages, "_MOST_SEEN", remembered)
    run = begin(port, claim, tmp_path, events)
    said = [
        {"key": name, "value": value, "step": 0, "timestamp": 1}
        for name, value in (("up", "Infinity"), ("down", "-Infinity"), ("none", "NaN"))
    ]
    with script(run) as http:
        http.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": RUN, "metrics": said})
        kept = {"up": sys.float_info.max, "down": -sys.float_info.max, "none": "NaN"}
        again = [{**one, "value": kept[str(one["key"])], "model_id": "m-1"} for one in said]
        http.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": RUN, "metrics": again})
    run.close()
    told = ["Infinity", "-Infinity", "NaN"]
    assert [event["value"] for event in events] == (told if remembered else told * 2)


def test_what_is_kept_for_an_mlflow_that_is_away_is_told_as_well(
    port: int, claim: Claim, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    run = begin(port, claim, tmp_path, events)
    with script(run) as http:
        log_metric(http, run, 0.5)
    run.close()
    assert [event["value"] for event in events] == [0.5]


def test_nothing_is_kept_that_a_job_may_not_write(port: int, claim: Claim, tmp_path: Path) -> None:
    run = begin(port, claim, tmp_path)
    run_id = run.environment["MLFLOW_RUN_ID"]
    with script(run) as http:
        tag = {"run_id": run_id, "key": "tiltyard.job", "value": "another"}
        batch = {"run_id": run_id, "tags": [{"key": "Tiltyard.job", "value": "another"}]}
        answers = [
            http.post("/api/2.0/mlflow/runs/set-tag", json=tag).status_code,
            http.post("/api/2.0/mlflow/runs/log-batch", json=batch).status_code,
            http.put(
                f"/api/2.0/mlflow-artifacts/artifacts/7/{'0' * 32}/artifacts/x", content=b"x"
            ).status_code,
        ]
    run.close()
    assert answers == [403, 403, 400]
    assert run._relay.journal.count == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://{elsewhere}/version", "/http://{elsewhere}/version", "//{elsewhere}/version", "///{elsewhere}/version",
        "/api//{elsewhere}/version", "/@{elsewhere}/version", "/api/../../version", "/api/./../version", "/api/2.0/..",
        "/HTTP://{elsewhere}/api/2.0", "/api\\{elsewhere}", "/api/x#y", "/version/../jobs", "/static-files/x", "*", "/", "/api/",
    ],
)  # fmt: skip
def test_the_relay_asks_nobody_but_the_gateway_and_there_for_mlflows_api_alone(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, target: str
) -> None:
    elsewhere = Mlflow(free_port())
    run = begin(port, claim, tmp_path)
    before = len(mlflow.told)
    address = httpx.URL(run.environment["MLFLOW_TRACKING_URI"])
    import http.client

    connection = http.client.HTTPConnection(address.host, address.port or 80)
    asked = target.format(elsewhere=f"127.0.0.1:{elsewhere.server_address[1]}")
    connection.request("GET", asked, headers=key(run))
    status = connection.getresponse().status
    connection.close()
    run.close()
    elsewhere.stop()
    assert (status, elsewhere.told, mlflow.told[before:]) == (400, [], [])
    assert run._relay._away_until == 0.0, "and MLflow is not taken to be away for it"


@pytest.mark.parametrize("target", ["/api/2.0/mlflow/runs/get?run_id=http://a//b", "/health", "/version?x"])
def test_an_honest_target_is_asked_as_it_came(target: str) -> None:
    asked = address_of(httpx.URL("http://gateway:1/mlflow/"), target)
    assert (asked.host, asked.raw_path) == ("gateway", f"/mlflow{target}".encode())


@pytest.mark.parametrize("target", ["http://elsewhere/api/x", "//elsewhere/api/x", "/http://elsewhere/api/x"])
def test_what_was_kept_is_told_to_nobody_else_either(target: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        address_of(httpx.URL("http://gateway:1/mlflow/"), target)


def test_what_was_kept_is_told_with_the_attempts_token_while_that_is_good(
    port: int, claim: Claim, tmp_path: Path
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        log_metric(http, run, 0.5)
    mlflow = Mlflow(port)
    assert run._relay.catch_up()
    run.close()
    mlflow.stop()
    assert mlflow.tokens["runs/create"] == "Bearer workers", "the run is ours to make"
    assert (mlflow.tokens["runs/log-metric"], mlflow.names["runs/log-metric"]) == ("Bearer attempts", None)


def test_what_is_left_after_the_attempt_is_told_in_the_jobs_name(
    port: int, claim: Claim, tmp_path: Path, archive: Path
) -> None:
    run = begin(port, claim, tmp_path)
    with script(run) as http:
        log_metric(http, run, 0.5)
        where = http.get(
            "/api/2.0/mlflow/runs/get", params={"run_id": run.environment["MLFLOW_RUN_ID"]}
        ).json()
        files = where["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        http.put(f"/api/2.0/mlflow-artifacts/artifacts/{files}/x.txt", content=b"x")
    mlflow = Mlflow(port)
    mlflow.strangers.add("Bearer attempts")
    assert run.end(JobState.succeeded, archive)
    run.close()
    mlflow.stop()
    assert [call["value"] for call in mlflow.calls("runs/log-metric")] == [0.5]
    assert (mlflow.tokens["runs/log-metric"], mlflow.names["runs/log-metric"]) == (
        "Bearer workers",
        claim.job,
    )
    kept = f"/api/2.0/mlflow-artifacts/artifacts/7/{RUN}/artifacts/x.txt"
    assert (mlflow.tokens[kept], mlflow.names[kept]) == ("Bearer workers", claim.job)
    assert mlflow.names["runs/update"] is None, "how it ended is ours to say"


def test_folders_that_a_script_nested_without_end_cost_no_result(
    mlflow: Mlflow, port: int, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(port, claim, tmp_path)

    def listed(call: str, **asked: str) -> dict[str, Any]:
        folder = asked.get("path", "")
        deeper = {"path": f"{folder}/a".strip("/"), "is_dir": len(folder) < 3_000, "file_size": 1}
        return {"files": [deeper]}

    monkeypatch.setattr(run._server, "get", listed)
    [(name, _)] = run.artifacts(tmp_path)
    assert name.count("/") > 1_000
    run.close()
