"""What an address takes: parameters that are known, HEAD wherever GET is, and all its methods named where one is not taken."""

from collections.abc import AsyncIterator

import pytest
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.types import Message

from tests.api.conftest import Gateway
from tests.api.test_artifacts import with_files
from tests.api.test_door import problem_of
from tiltyard_api.http.methods import answer_head


async def test_a_query_parameter_that_no_route_reads_is_refused_and_not_passed_over(gateway: Gateway) -> None:
    problem = problem_of(await gateway.user.get("/jobs?statee=running&colour=red&limit=1"))
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert [item.pointer for item in problem.errors] == ["?colour", "?statee"]
    assert problem.errors[0].detail.startswith("this parameter is not known; known are created_after, ")
    assert problem.errors[1].detail == "this parameter is not known (did you mean 'state'?)"
    none = problem_of(await gateway.user.get("/queues/cpu?quiet=1"))
    assert none.detail == "this parameter is not known; there are none"


async def test_a_moment_without_a_zone_is_told_how_to_name_one(gateway: Gateway) -> None:
    problem = problem_of(await gateway.user.get("/jobs?created_after=2026-01-31T18:00:00"))
    assert "names its zone: 2026-01-31T18:00:00Z" in problem.detail


async def test_head_says_what_get_would_and_sends_no_body(gateway: Gateway) -> None:
    claim = await with_files(gateway, report=b"a report of so many bytes")
    for path in (f"/jobs/{claim.job}", f"/jobs/{claim.job}/artifacts/report", "/experiments"):
        got, head = await gateway.user.get(path), await gateway.user.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert (await gateway.nobody.head(f"{gateway.url}/health")).status_code == 200
    for path, status in (("/jobs/feed", 404), ("/jobs:cancel", 405)):
        assert (await gateway.user.head(path)).status_code == status
    assert (await gateway.nobody.head("/jobs")).status_code == 401


async def test_head_of_what_is_made_while_it_is_sent_ends_with_the_head() -> None:
    sent: list[Message] = []
    closed: list[bool] = []

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"more"

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    answer = StreamingResponse(without_end(), background=BackgroundTask(closed.append, True))
    await answer_head(answer, {"type": "http", "method": "HEAD"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert "body" not in sent[-1]
    assert closed == [True]


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/jobs", "HEAD, GET, POST"),
        ("/experiments/digits", "HEAD, GET, PATCH, DELETE"),
        ("/jobs:cancel", "POST"),
    ],
)
async def test_a_method_that_is_not_taken_is_told_which_are(gateway: Gateway, path: str, taken: str) -> None:
    answer = await gateway.user.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, taken)
    assert problem_of(answer).detail == f"PUT is not taken here; {taken} are"


async def test_a_browser_that_is_given_the_gateway_s_address_sees_the_reference(gateway: Gateway) -> None:
    answer = await gateway.nobody.get(f"{gateway.url}/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
