"""A script that uses MLflow as it always did, in a job, with an MLflow that is not there."""

import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import PATIENCE
from tests.workers.conftest import Run, Running
from tiltyard_workers.supervisor.scratch import clear_leftovers
from tiltyard_workers.tracking import run as runs
from tiltyard_workers.tracking.door import MOST_CONNECTIONS, Answer, Door

SCRIPT = """\
import mlflow, pathlib
mlflow.set_experiment("its own name")
with mlflow.start_run() as run:
    mlflow.log_param("eps", 0.1)
    mlflow.log_params({"a": 1, "b": "two"})
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"x": 1.0, "y": float("nan")})
    mlflow.set_tag("by", "a script")
    pathlib.Path("report.txt").write_text("a report")
    mlflow.log_artifact("report.txt", "reports")
    mlflow.log_text("said", "said.txt")
print("status", mlflow.get_run(run.info.run_id).info.run_id)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr(runs, "LATER_SECONDS", 0.0)
    monkeypatch.setattr(runs, "LATER_PAUSE_SECONDS", 0.0)


def test_an_unmodified_script_runs_without_mlflow_and_its_files_are_kept(run: Run) -> None:
    job = run(f"{sys.executable} script.py", {"script.py": SCRIPT}, tracked=True)
    assert job.state == "succeeded", job.log()
    assert job.artifacts == {"mlflow/reports/report.txt": b"a report", "mlflow/said.txt": b"said"}
    assert "MLflow is away" in job.log("stderr")


def test_a_record_that_cannot_be_kept_for_later_costs_no_result(run: Run, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch/mlflow-later").write_text("no folder")
    job = run("echo done", tracked=True)
    assert (job.state, job.log("stdout")) == ("succeeded", "done\n")


def test_what_a_killed_worker_was_to_tell_mlflow_later_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mlflow-later/job.1").mkdir(parents=True)
    clear_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_script_runs_where_no_mlflow_is_configured(run: Run) -> None:
    job = run(f"{sys.executable} script.py", {"script.py": SCRIPT})
    assert job.state == "succeeded", job.log()
    assert "mlflow/said.txt" in job.artifacts
    assert "MLflow is away" not in job.log("stderr")


def test_a_job_writes_nothing_through_what_the_relay_keeps(start: Callable[..., Running], run: Run) -> None:
    job = run("find $TMPDIR/.. -name 'journal*' -o -name mlflow; ls $TMPDIR/..")
    assert job.log("stdout").split() == ["home", "plugins", "project", "tmp"]


@pytest.fixture
def door(tmp_path: object) -> Iterator[tuple[Door, list[tuple[str, int]]]]:
    heard: list[tuple[str, int]] = []

    def ask(method: str, target: str, headers: dict[str, str], body: object) -> Answer:
        heard.append((method, body.seek(0, 2)))
        return 200, {"X-Said": target}, b"answer"

    opened = Door(ask, tmp_path)
    opened.start()
    yield opened, heard
    opened.close()


def key(door: Door) -> dict[str, str]:
    return {"Authorization": f"Bearer {door.key}"}


def raw(door: Door, request: bytes) -> bytes:
    """What comes back before the connection is closed."""
    with socket.create_connection(("127.0.0.1", int(door.url.rpartition(":")[2])), timeout=PATIENCE) as wire:
        wire.sendall(request)
        return wire.recv(4096)


def test_a_body_of_any_kind_is_read_and_one_without_end_is_refused(
    door: tuple[Door, list[tuple[str, int]]],
) -> None:
    opened, heard = door
    with httpx.Client(base_url=opened.url, headers=key(opened), timeout=PATIENCE, trust_env=False) as http:
        assert http.put("/a", content=b"x" * (3 << 20)).text == "answer"
        assert http.put("/b", content=iter([b"x" * 70_000, b"y" * 70_000])).headers["X-Said"] == "/b"
        assert http.head("/c").headers["Content-Length"] == "6"
    shown = f"Authorization: Bearer {opened.key}\r\n"
    for length in (-1, 1 << 40):
        assert b" 413 " in raw(
            opened, f"POST /d HTTP/1.1\r\n{shown}Content-Length: {length}\r\n\r\n".encode()
        )
    assert heard == [("PUT", 3 << 20), ("PUT", 140_000), ("HEAD", 0)]


def test_a_caller_that_talks_nonsense_changes_nothing(door: tuple[Door, list[tuple[str, int]]]) -> None:
    opened, heard = door
    shown = f"Authorization: Bearer {opened.key}\r\n".encode()
    for nonsense in (
        b"\xff\xfe\r\n\r\n",
        b"PUT / HTTP/1.1\r\n" + shown + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        raw(opened, nonsense)
    with httpx.Client(base_url=opened.url, headers=key(opened), timeout=PATIENCE, trust_env=False) as http:
        assert http.get("/after").text == "answer"
    assert heard == [("GET", 0)]


def test_a_stranger_is_turned_away_before_its_body_is_read(door: tuple[Door, list[tuple[str, int]]]) -> None:
    opened, heard = door
    assert b" 401 " in raw(opened, b"PUT /x HTTP/1.1\r\nContent-Length: 8000000000\r\n\r\n")
    assert heard == []


async def test_connections_without_end_take_no_threads_without_end(
    door: tuple[Door, list[tuple[str, int]]], until: Callable[..., Awaitable[None]]
) -> None:
    opened, _ = door
    place = ("127.0.0.1", int(opened.url.rpartition(":")[2]))
    before = threading.active_count()
    silent = [socket.create_connection(place, timeout=PATIENCE) for _ in range(MOST_CONNECTIONS + 50)]
    assert silent[-1].recv(1) == b"", "it was turned away"
    assert threading.active_count() - before <= MOST_CONNECTIONS
    for one in silent:
        one.close()
    await until(lambda: threading.active_count() - before < MOST_CONNECTIONS / 2)
    assert b" 200 " in raw(
        opened, f"GET /after HTTP/1.1\r\nAuthorization: Bearer {opened.key}\r\n\r\n".encode()
    )
