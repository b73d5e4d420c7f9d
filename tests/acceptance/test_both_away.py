"""MLflow and the store away at one time: what needs them says so, what does not goes on, and no job's outcome changes."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_first_attack import events_of, submitted
from tests.acceptance.testbed import QUICK, Testbed, reachable
from tests.api.conftest import PROJECT, packed
from tests.servers import PATIENCE, stop, wait_for

ABSENCE = str(Path(__file__).parent / "absence")
LEASES = 3 * float(QUICK["TILTYARD_LEASE_SECONDS"])
pytestmark = pytest.mark.parametrize("testbed", ["site"], indirect=True)


@contextmanager
def both_away(testbed: Testbed) -> Iterator[None]:
    for part in ("mlflow", "store"):
        stop(testbed.processes[part])
    try:
        yield
    finally:
        for part in ("mlflow", "store"):
            testbed.restart[part]()
        wait_for(lambda: reachable(f"{testbed.mlflow_url}/health", testbed.token), seconds=120)


def printed(testbed: Testbed, job: str) -> str:
    return testbed.run("logs", job).stdout


def after(testbed: Testbed, job: str, seconds: float) -> dict[str, Any]:
    """A job when it has ended, or when so many seconds are over."""
    with testbed.http() as http:
        return dict(http.get(f"/jobs/{job}", params={"wait": seconds}).raise_for_status().json())


def ended(testbed: Testbed, job: str) -> tuple[Any, ...]:
    found = testbed.until_state(job, "succeeded", "failed", "cancelled", seconds=120)
    return found["state"], found["reason"], found["attempt"]


def test_a_job_that_runs_hands_over_everything_when_they_are_back(testbed: Testbed) -> None:
    with ExitStack() as stack:
        with socket.create_server(("127.0.0.1", 0)) as gate:
            at = f"gate={gate.getsockname()[1]}"
            job = submitted(testbed, ABSENCE, "-x", "absence", "-e", "record", "-P", at)
            wait_for(lambda: "step 20" in printed(testbed, job), seconds=2 * PATIENCE)
            stack.enter_context(both_away(testbed))
        wait_for(lambda: "done" in printed(testbed, job), seconds=2 * PATIENCE)
        found = after(testbed, job, LEASES)
        assert (found["state"], found["attempt"]) == ("running", 1)
    assert ended(testbed, job) == ("succeeded", None, 1)
    with testbed.http() as http:
        files = {one["path"] for one in http.get(f"/jobs/{job}/artifacts").json()["items"]}
        assert {"early.txt", "late.txt"} <= files
        assert http.get(f"/jobs/{job}/artifacts/late.txt").text == "late"
    told = [event["data"] for event in events_of(testbed, job) if event["kind"] == "metric"]
    assert [one["value"] for one in told] == list(range(40))


def test_a_job_that_starts_waits_for_its_archive_and_its_model(testbed: Testbed) -> None:
    model = f"absence-{secrets.token_hex(4)}"
    trained = submitted(testbed, ABSENCE, "-x", "absence", "-e", "record")
    assert ended(testbed, trained)[0] == "succeeded"
    testbed.run("model", "register", model, trained, "late.txt")
    testbed.run("queue", "pause", "cpu")
    job = submitted(testbed, ABSENCE, "-x", "absence", "-e", "read", "-P", f"model=model:{model}/1")
    with both_away(testbed):
        testbed.run("queue", "resume", "cpu")
        testbed.until_state(job, "running", "failed")
        assert after(testbed, job, LEASES)["state"] in {"running", "queued"}
    assert ended(testbed, job)[0] == "succeeded"
    assert "given late" in printed(testbed, job)


def test_what_needs_neither_goes_on_and_what_needs_one_says_which(testbed: Testbed) -> None:
    job = submitted(testbed, ABSENCE, "-x", "absence", "-e", "record")
    assert ended(testbed, job)[0] == "succeeded"
    archive = testbed.job(job)["archive"]
    model = {"experiment": "absence", "archive": archive, "entry_point": "read"}
    with both_away(testbed), testbed.http() as http:
        refused = {
            "store_unavailable": [
                http.post("/archives", content=packed(MLproject=PROJECT + "# new")),
                http.put(f"/jobs/{job}/artifacts/notes.md", content=b"notes"),
                http.get(f"/jobs/{job}/artifacts/late.txt"),
                http.get(f"/jobs/{job}/artifacts.zip"),
                http.get(f"/archives/{archive}/content"),
                http.get("/experiments/absence/bundle"),
            ],
            "mlflow_unavailable": [
                http.get("/models"),
                http.post("/models", json={"name": "none"}),
                http.post("/models/none/versions", json={"job": job, "path": "late.txt"}),
                http.post("/jobs", json=model | {"parameters": {"model": "model:none/1"}}),
                http.post(
                    "/sweeps",
                    json=model | {"axes": [{"parameter": "model", "values": ["model:a/1", "model:b/1"]}]},
                ),
            ],
        }
        for code, answers in refused.items():
            for answer in answers:
                assert (answer.status_code, answer.json().get("code")) == (503, code), answer.text
                assert int(answer.headers["retry-after"]) > 0
        for path in (
            f"/jobs/{job}", f"/jobs/{job}/metrics", f"/jobs/{job}/manifest", f"/jobs/{job}/artifacts",
            "/experiments/absence/results", "/experiments/absence/results?format=parquet", "/sweeps",
        ):  # fmt: skip
            assert http.get(path).status_code == 200, path
        posted = http.post(f"/jobs/{job}/metrics", json=[{"name": "certified", "value": 0.5}])
        assert posted.status_code == 201, posted.text
        name = f"made-{secrets.token_hex(4)}"
        assert http.post("/experiments", json={"name": name}).status_code == 201
        accepted = http.post("/jobs", json={"experiment": name, "archive": archive, "entry_point": "record"})
        assert accepted.status_code == 201, accepted.text
        health = http.get(f"{testbed.url}/health").json()
        assert (health["status"], health["store"]) == ("degraded", False)
    assert ended(testbed, accepted.json()["id"])[0] == "succeeded"
    with testbed.http() as http:
        assert http.get(f"/jobs/{job}/artifacts/notes.md").status_code == 404, "and nothing half there"
        assert http.put(f"/jobs/{job}/artifacts/notes.md", content=b"notes").status_code == 200
