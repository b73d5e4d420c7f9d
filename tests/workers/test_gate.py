"""Jobs of one host share a Prefect server: each acts on its own flow runs, whatever it asks for."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest

from tests.servers import PATIENCE
from tiltyard_workers.prefect.conversation import LARGEST_BODY
from tiltyard_workers.prefect.door import Door
from tiltyard_workers.prefect.gate import MOST_KEYS, Gate, key_of, plainly

OWN, OTHER = "3f2b8c1e-5d47-4a90-b6e2-9c1d7f0a4e58", "a81d6e02-7b35-4cf1-8e94-2d5b0c9f6a17"
RUNS = "/api/flow_runs/"
TWO_LENGTHS = (
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
)
NONSENSE = (b"\xff\xfe\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000, TWO_LENGTHS)


def header(gate: Gate, attempt: str) -> str:
    return f"Basic {b64encode(key_of(gate.secret, attempt).encode()).decode()}"


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.note("mine.1", "POST", RUNS, 201, json.dumps({"id": OWN}).encode())
    gate.note("other.1", "POST", RUNS, 201, json.dumps({"id": OTHER}).encode())
    return gate


def test_a_key_says_whose_it_is_and_nothing_else_does(gate: Gate) -> None:
    good = header(gate, "mine.1")
    assert gate.who(good) == "mine.1"
    stolen = b64encode(f"other.1:{key_of(gate.secret, 'mine.1').rpartition(':')[2]}".encode()).decode()
    for wrong in (
        "",
        "Basic",
        "Basic x",
        f"Bearer {good[6:]}",
        f"Basic {stolen}",
        header(Gate(), "mine.1"),
        "Basic /w==",
    ):
        assert gate.who(wrong) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"{RUNS}{{}}/set_state"), ("PATCH", f"{RUNS}{{}}"), ("DELETE", f"{RUNS}{{}}"), ("POST", f"{RUNS}{{}}/resume"),
     ("POST", f"{RUNS}{{}}/input"), ("DELETE", f"{RUNS}{{}}/input/Key-1"), ("POST", "/api/task_runs/{}/set_state")],
)  # fmt: skip
def test_a_run_is_changed_with_the_key_that_it_was_made_with(gate: Gate, method: str, path: str) -> None:
    assert gate.why_not("mine.1", method, path.format(OWN), b"{}") is None
    assert "no run of this job's" in str(gate.why_not("mine.1", method, path.format(OTHER), b"{}"))
    assert gate.why_not("mine.2", method, path.format(OWN), b"{}"), "nor by a later attempt"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/flow_runs/bulk_set_state"), ("POST", "/api/flow_runs/bulk_delete"), ("DELETE", f"/api/flows/{OWN}"),
        ("POST", "/api/admin/database/drop"), ("POST", "/api/admin/database/clear"), ("GET", "/api/admin/settings"),
        ("POST", "/api/variables/"), ("PATCH", "/api/variables/name/x"), ("POST", "/api/block_documents/"),
        ("POST", "/api/concurrency_limits/"), ("POST", "/api/v2/concurrency_limits/"), ("POST", "/api/deployments/"),
        ("POST", "/api/work_pools/"), ("POST", "/api/automations/"), ("GET", "/api/events/out"), ("GET", "/docs"),
        ("POST", f"/api/flow_runs/{OWN.upper()}/set_state"), ("POST", f"/api/flow_runs/{OWN.replace('-', '')}/set_state"),
        ("POST", f"/api/flow_runs/{OWN}/../{OTHER}/set_state"), ("POST", f"/api/flow_runs/%7b{OTHER}%7d/set_state"),
        ("POST", f"/api//flow_runs/{OTHER}/set_state"), ("POST", f"/api/Flow_runs/{OTHER}/set_state"),
        ("POST", f"http://prefect/api/flow_runs/{OTHER}/set_state"), ("POST", f"/api/flow_runs/{OWN}/x/%2e%2e/%2e%2e/{OTHER}"),
        ("GET", "/api/variables/name/.."), ("PUT", RUNS), ("post", RUNS),
    ],
)  # fmt: skip
def test_what_is_everybodys_is_changed_by_nobody_and_no_path_has_a_second_spelling(
    gate: Gate, method: str, path: str
) -> None:
    assert gate.why_not("mine.1", method, path, b"{}")


def test_a_run_is_made_below_ones_own_runs_alone(gate: Gate) -> None:
    for path, field in ((RUNS, "parent_task_run_id"), ("/api/task_runs/", "flow_run_id")):
        assert gate.why_not("mine.1", "POST", path, json.dumps({field: OWN}).encode()) is None
        assert gate.why_not("mine.1", "POST", path, json.dumps({field: OTHER}).encode())
        twice = f'{{"{field}": "{OTHER}", "{field}": "{OWN}"}}'.encode()
        assert json.loads(plainly(path, twice)) == {field: OWN}, "the server reads what was judged"


def test_a_run_that_was_there_is_nobody_elses_for_being_asked_for_again(gate: Gate) -> None:
    gate.note("mine.1", "POST", RUNS, 200, json.dumps({"id": OTHER}).encode())
    assert gate.why_not("mine.1", "DELETE", f"{RUNS}{OTHER}", b"")


def test_what_a_gate_remembers_has_an_end(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST_KEYS + 5):
        gate.note(f"job.{number}", "POST", RUNS, 201, json.dumps({"id": OWN}).encode())
    assert len(gate._runs) == MOST_KEYS
    monkeypatch.setattr("tiltyard_workers.prefect.gate.MOST_RUNS", 1)
    assert "at most" in str(gate.why_not(f"job.{MOST_KEYS}", "POST", RUNS, b"{}"))


@pytest.fixture
def ask(door: Door) -> Callable[..., httpx.Response]:
    """Ask the real server through a worker's door, as a job."""

    def asked(attempt: str, method: str, path: str, **more: object) -> httpx.Response:
        assert door._gate is not None
        headers = {"Authorization": header(door._gate, attempt)} if attempt else {}
        return httpx.request(
            method, f"{door.url}{path}", headers=headers, timeout=150, trust_env=False, **more
        )  # type: ignore[arg-type]

    return asked


def test_a_job_cannot_fail_or_delete_the_flow_run_of_another(ask: Callable[..., httpx.Response]) -> None:
    flow = ask("victim.1", "POST", "/flows/", json={"name": "f"}).json()["id"]
    made = ask(
        "victim.1",
        "POST",
        "/flow_runs/",
        json={"flow_id": flow, "idempotency_key": "k", "state": {"type": "RUNNING"}},
    )
    assert made.status_code == 201
    run = made.json()["id"]
    failed = {"state": {"type": "FAILED"}, "force": True}
    again = ask("thief.1", "POST", "/flow_runs/", json={"flow_id": flow, "idempotency_key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, run)
    for attempt, status in (("thief.1", 403), ("", 401), ("victim.1", 201)):
        if attempt != "victim.1":
            assert ask(attempt, "DELETE", f"/flow_runs/{run}").status_code == status
        assert ask(attempt, "POST", f"/flow_runs/{run}/set_state", json=failed).status_code == status
        assert ask("victim.1", "GET", f"/flow_runs/{run}").json()["state_type"] == (
            "FAILED" if attempt == "victim.1" else "RUNNING"
        )
    refused = ask("thief.1", "POST", "/variables/", json={"name": "v", "value": 1})
    assert "the jobs of a host share this Prefect server" in refused.json()["detail"]


def test_what_a_caller_sends_is_read_with_limits_and_nonsense_ends_the_connection(
    door: Door, ask: Callable[..., httpx.Response]
) -> None:
    assert ask("a.1", "POST", "/flows/", content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    assert ask("a.1", "POST", "/flows/", content=iter([b'{"name":', b' "chunked"}'])).is_success
    where = httpx.URL(door.url)
    for nonsense in NONSENSE:
        with socket.create_connection((where.host, where.port or 80), timeout=PATIENCE) as wire:
            wire.sendall(nonsense)
            wire.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionResetError):  # it is cut where more was sent than is read
                while said := wire.recv(4096):
                    answer += said
        assert answer == b"" or b" 401 " in answer
    assert ask("a.1", "GET", "/health").json() is True
