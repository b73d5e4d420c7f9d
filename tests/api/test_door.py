"""What comes in at the door: who gets in, and how everything that goes wrong is answered."""

import errno
from typing import Any

import pytest
from fastapi.routing import APIRoute
from structlog.testing import capture_logs

from tests.api.conftest import Cable, Gateway, Start
from tiltyard.wire import Problem
from tiltyard_api.app import NOUNS
from tiltyard_api.auth import AttemptOnly
from tiltyard_orchestrator.artifacts.store import StoreFull
from tiltyard_orchestrator.storage.access import tokens


def problem_of(answer: Any) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    return problem


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic dXNlcjpwdw==", "Bearer ü"])
async def test_who_shows_no_good_token_gets_in_nowhere(gateway: Gateway, token: str) -> None:
    headers = {"Authorization": token.encode("latin-1")}
    for method, path in (
        ("GET", "/jobs"),
        ("POST", "/archives"),
        ("GET", "/no-such-thing"),
        ("POST", "/jobs"),
    ):
        answer = await gateway.nobody.request(method, path, headers=headers, content=b"{")
        assert problem_of(answer).code == "unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/docs", "/openapi.json"):
        assert (await gateway.nobody.get(f"{gateway.url}{path}")).status_code == 200


def test_every_route_says_who_may_use_it() -> None:
    for noun in NOUNS:
        for route in noun.routes.routes:
            if isinstance(route, APIRoute):
                asks = {getattr(each.call, "__name__", "") for each in route.dependant.dependencies}
                assert asks & {"_bearer", "_user", "_worker"} or AttemptOnly in route.dependencies, route.path


async def test_a_workers_token_is_for_workers_and_a_users_for_users(gateway: Gateway) -> None:
    assert problem_of(await gateway.worker.get("/jobs")).code == "forbidden"
    assert problem_of(await gateway.worker.post("/tickets")).code == "forbidden"
    asked = {"worker": "w", "queue": "cpu"}
    assert problem_of(await gateway.user.post("/queues/cpu/claim", json=asked)).code == "forbidden"


async def test_a_revoked_token_is_refused_within_seconds(gateway: Gateway, until: Any) -> None:
    async with gateway.parts.database.transaction() as session:
        await tokens.add_token(session, name="leaver", role="user", token="ty_leaver")
        token_id = next(row.id for row in await tokens.list_tokens(session) if row.name == "leaver")
    leaver = {"Authorization": "Bearer ty_leaver"}
    assert (await gateway.nobody.get("/jobs", headers=leaver)).status_code == 200
    async with gateway.parts.database.transaction() as session:
        await tokens.revoke_token(session, token_id)

    async def refused() -> bool:
        return (await gateway.nobody.get("/jobs", headers=leaver)).status_code == 401

    await until(refused)


@pytest.mark.parametrize(
    ("method", "path", "content", "content_type", "status", "code"),
    [
        ("GET", "/nothing/here", None, None, 404, "not_found"),
        ("DELETE", "/jobs", None, None, 405, "method_not_allowed"),
        ("POST", "/jobs", b"{", "application/json", 400, "malformed_json"),
        ("POST", "/jobs", b"{}", "text/plain", 415, "unsupported_media_type"),
        ("POST", "/jobs", b"{}", None, 415, "unsupported_media_type"),
        ("POST", "/jobs", b"\xff\xfe", "application/json", 400, "malformed_json"),
        ("POST", "/jobs", b"[" * 100_000, "application/json", 400, "too_deep"),
        ("POST", "/jobs", b'{"parameters":' * 500 + b"1" + b"}" * 500, "application/json", 400, "too_deep"),
        ("POST", "/jobs", b'{"experiment": ' + b"9" * 5000 + b"}", "application/json", 400, "malformed_json"),
        ("POST", "/jobs", None, None, 422, "invalid_request"),
        ("POST", "/jobs", b"[]", "application/json", 422, "invalid_request"),
        ("POST", "/jobs", b" " * (5 << 20), "application/json", 413, "too_large"),
        ("POST", "/sweeps", b" " * (5 << 20), "application/json", 400, "malformed_json"),
        ("POST", "/sweeps", b" " * (17 << 20), "application/json", 413, "too_large"),
        ("GET", "/jobs/a%00b", None, None, 400, "bad_request"),
        ("GET", "/jobs?tag=a%00b", None, None, 400, "bad_request"),
        ("GET", "/jobs?tag=%ed%a0%80", None, None, 200, None),
        ("GET", "/jobs/%ed%a0%80", None, None, 404, "no_such_job"),
        ("GET", "/experiments/%ff", None, None, 404, "no_such_experiment"),
        ("GET", "/jobs?cursor=nonsense", None, None, 422, "bad_cursor"),
        ("GET", "/jobs?cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIngiXQ", None, None, 422, None),
        ("GET", "/jobs?limit=0", None, None, 422, "invalid_request"),
        ("GET", "/jobs?limit=99999999999999999999999", None, None, 422, "invalid_request"),
        ("GET", "/jobs?state=done", None, None, 422, "invalid_request"),
        ("GET", "/jobs?created_after=2026-01-01T00:00:00", None, None, 422, "invalid_request"),
        ("GET", "/jobs?created_after=0001-01-01T00:00:00%2B14:00", None, None, 422, "invalid_request"),
        ("GET", "/jobs?created_before=9999-12-31T23:59:59-14:00", None, None, 422, "invalid_request"),
        ("GET", "/jobs?created_before=99999999999999", None, None, 422, "invalid_request"),
        ("GET", "/jobs/feed/events?after=9223372036854775808", None, None, 422, "invalid_request"),
        ("GET", "/jobs/feed/events?wait=nan", None, None, 422, "invalid_request"),
        ("GET", "/jobs/feed/events?wait=61", None, None, 422, "invalid_request"),
        ("GET", "/history/feed", None, None, 404, "no_such_exported_job"),
        ("POST", "/experiments", b'{"name": "."}', "application/json", 422, "invalid_request"),
        ("POST", "/experiments", b'{"name": ".."}', "application/json", 422, "invalid_request"),
        ("POST", "/experiments", b'{"name": " "}', "application/json", 422, "invalid_request"),
        ("GET", "/archives/xyz", None, None, 422, "invalid_request"),
        ("GET", "/jobs/feed/artifacts/../../../etc/passwd", None, None, 404, None),
    ],
)
async def test_bad_requests_get_a_problem_with_a_code(
    gateway: Gateway, method: str, path: str, content: bytes | None, content_type: str | None, status: int,
    code: str | None,
) -> None:  # fmt: skip
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await gateway.user.request(method, path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert code in {None, problem_of(answer).code}, answer.text


async def test_a_query_parameter_that_is_wrong_is_named(gateway: Gateway) -> None:
    problem = problem_of(await gateway.user.get("/jobs", params={"limit": 0, "state": "done"}))
    assert {item.pointer for item in problem.errors} == {"?limit", "?state"}


async def test_a_body_of_a_hundred_thousand_mistakes_is_answered_with_the_first_of_them(
    gateway: Gateway,
) -> None:
    tags = {f"k{number}": 1 for number in range(100_000)}
    answer = await gateway.user.post("/models", json={"name": "x", "tags": tags})
    problem = problem_of(answer)
    assert (problem.status, len(problem.errors)) == (422, 1_000)
    assert problem.detail == "more than 1,000 things are wrong; these are the first"
    few = problem_of(await gateway.user.post("/experiments", json={"name": "x", "a": 1, "b": 1}))
    assert (few.detail, len(few.errors)) == ("2 things are wrong", 2)


MANY = {f"k{number}": 1 for number in range(1_000)}


@pytest.mark.parametrize(
    ("path", "body", "pointer", "detail"),
    [
        ("/sweeps", MANY, "", "has 1,000 fields, of which most can mean nothing here"),
        ("/sweeps", {"experiment": "x", "archive": "0" * 64, "axes": [MANY]}, "/axes/0", "has 1,000 fields"),
        ("/queues", MANY, "", "has 1,000 fields"),
        ("/jobs", {"parameters": {f"k{number}": 1 for number in range(1_001)}}, "/parameters", "at most 1000"),
        ("/jobs:cancel", {"states": ["x"] * 1_000}, "/states", "at most 20"),
    ],
)  # fmt: skip
async def test_of_what_is_far_too_much_no_part_is_looked_at(
    gateway: Gateway, path: str, body: dict[str, Any], pointer: str, detail: str
) -> None:
    asked = {"experiment": "x", "archive": "0" * 64} | body if path == "/jobs" else body
    [item] = problem_of(await gateway.user.post(path, json=asked)).errors
    assert (item.pointer, detail in item.detail) == (pointer, True), item.detail


async def test_a_database_that_is_away_is_said_with_when_to_try_again(
    start_gateway: Start, cable: Cable
) -> None:
    async with start_gateway(database_url=cable.url) as gateway:
        await cable.cut()
        for call in (gateway.user.get("/jobs"), gateway.worker.get("/jobs"), gateway.user.post("/tickets")):
            answer = await call
            assert problem_of(answer).code == "database_unavailable"
            assert int(answer.headers["retry-after"]) > 0
        health = await gateway.nobody.get(f"{gateway.url}/health")
        assert (health.status_code, health.json()["status"], health.json()["database"]) == (
            503,
            "down",
            False,
        )
        await cable.mend()
        assert (await gateway.user.get("/jobs")).status_code == 200


async def test_a_broker_that_is_away_refuses_no_job(start_gateway: Start) -> None:
    async with start_gateway(broker_url="redis://127.0.0.1:9/0") as gateway:
        job = await gateway.submit()
        health = (await gateway.nobody.get(f"{gateway.url}/health")).json()
        assert (health["status"], health["broker"], health["database"]) == ("degraded", False, True)
        assert (await gateway.user.get(f"/jobs/{job.id}/events")).json()["events"]


async def test_health_is_ok_when_everything_is(gateway: Gateway, until: Any) -> None:
    async def well() -> bool:
        return bool((await gateway.nobody.get(f"{gateway.url}/health")).json()["status"] == "ok")

    await until(well)


async def test_a_full_store_is_said(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise StoreFull(28, "no room is left")

    claim = await gateway.running()
    monkeypatch.setattr(gateway.parts.store, "put", full)
    answer = await gateway.put(claim, "x", b"x")
    assert (problem_of(answer).code, answer.status_code) == ("store_full", 507)


async def test_a_disk_that_takes_no_upload_is_said(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def protected(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "/store/.uploads/x")

    claim = await gateway.running()
    monkeypatch.setattr("tiltyard_api.transfer.upload._write", protected)
    answer = await gateway.put(claim, "x", b"x")
    assert (problem_of(answer).code, answer.status_code) == ("store_unavailable", 503)


async def test_our_own_fault_has_an_incident_and_no_insides(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret insides")

    monkeypatch.setattr("tiltyard_api.jobs.routes.list_jobs", broken)
    with capture_logs() as logged:
        problem = problem_of(await gateway.user.get("/jobs"))
    assert (problem.status, problem.code) == (500, "internal_error")
    assert "secret" not in problem.model_dump_json()
    assert problem.detail.split()[-1] == next(line["incident"] for line in logged if "incident" in line)
