"""Submitting, finding, waiting for and cancelling jobs, as a caller sees it."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import Gateway, packed


async def test_a_submitted_job_is_queued_and_published_at_once(gateway: Gateway) -> None:
    job = await gateway.submit(parameters={"eps": "0.25"}, tags=["paper"], timeout="2h")
    assert (job.state, job.seq, job.attempt, job.queue) == ("queued", 0, 0, "cpu")
    assert (job.parameters, job.timeout, job.tags) == ({"eps": 0.25}, 7200, ["paper"])
    shown = (await gateway.user.get(f"/jobs/{job.id}")).json()
    assert shown == job.model_dump(mode="json")


async def test_the_same_key_and_request_give_the_same_job(gateway: Gateway) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload()}
    key = {"Idempotency-Key": "once"}
    answers = [await gateway.user.post("/jobs", json=asked, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["Location"] == f"/api/v1/jobs/{answers[0].json()['id']}"
    assert len((await gateway.user.get("/jobs")).json()["items"]) == 1


async def test_a_hundred_submits_at_once_with_one_key_make_one_job(gateway: Gateway) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload()}
    key = {"Idempotency-Key": "stampede"}
    answers = await asyncio.gather(*(gateway.user.post("/jobs", json=asked, headers=key) for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_key_for_another_request_is_refused(gateway: Gateway) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload()}
    key = {"Idempotency-Key": "once"}
    await gateway.user.post("/jobs", json=asked, headers=key)
    other = await gateway.user.post("/jobs", json=asked | {"description": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_every_problem_of_a_submission_is_in_one_answer(gateway: Gateway) -> None:
    asked = {
        "experiment": "a/b", "archive": await gateway.upload(), "queue": "cqu", "timeout": "soon",
        "parameters": {"eps": "much", "e~/": 1},
    }  # fmt: skip
    for path in ("/jobs", "/jobs:validate"):
        answer = await gateway.user.post(path, json=asked)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        pointers = {item["pointer"] for item in answer.json()["errors"]}
        assert pointers == {"/experiment", "/queue", "/timeout", "/parameters/eps", "/parameters/e~0~1"}
    assert (await gateway.user.get("/experiments")).json()["items"] == []


async def test_a_validation_starts_nothing_and_says_what_may_surprise(gateway: Gateway) -> None:
    await gateway.user.patch("/queues/cpu", json={"paused": True})
    asked = {"experiment": "digits", "archive": await gateway.upload(), "parameters": {"eps": 0.5}}
    answer = (await gateway.user.post("/jobs:validate", json=asked)).json()
    assert answer["command"] == "python attack.py --eps 0.5"
    assert any("paused" in warning for warning in answer["warnings"])
    assert any("no worker" in warning for warning in answer["warnings"])
    assert (await gateway.user.get("/jobs")).json()["items"] == []


async def test_jobs_are_listed_newest_first_page_by_page(gateway: Gateway) -> None:
    made = [(await gateway.submit()).id for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await gateway.user.get("/jobs", params={"limit": 2} | cursor)).json()
        seen += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]


async def test_jobs_are_filtered(gateway: Gateway) -> None:
    one = await gateway.submit(experiment="one", tags=["a", "b"])
    two = await gateway.submit(experiment="two", queue="pytorch")
    await gateway.claim(one.id)

    async def listed(**asked: Any) -> set[str]:
        answer = await gateway.user.get("/jobs", params=asked)
        return {job["id"] for job in answer.raise_for_status().json()["items"]}

    assert (
        await listed(state="running") == await listed(tag="b") == await listed(experiment="one") == {one.id}
    )
    assert await listed(queue="pytorch") == await listed(state=["queued", "failed"]) == {two.id}
    assert await listed(created_after=two.created_at.isoformat()) == {two.id}
    assert await listed(created_before="2020-01-01T00:00:00Z") == set()


async def test_a_job_is_found_by_the_beginning_of_its_id(gateway: Gateway) -> None:
    job = await gateway.submit()
    assert (await gateway.user.get(f"/jobs/{job.id[:8]}")).json()["id"] == job.id
    answer = await gateway.user.get("/jobs/feedfacefeed")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_job")


async def test_waiting_for_a_job_answers_when_it_ends(gateway: Gateway) -> None:
    claim = await gateway.running()
    waiting = asyncio.create_task(gateway.user.get(f"/jobs/{claim.job}", params={"wait": 60}))
    await gateway.finish(claim)
    answer = await asyncio.wait_for(waiting, 30)
    assert (answer.json()["state"], answer.headers["ETag"]) == ("succeeded", '"2"')


async def test_a_job_that_has_not_changed_is_not_sent_again(gateway: Gateway) -> None:
    job = await gateway.submit()
    tag = (await gateway.user.get(f"/jobs/{job.id}")).headers["ETag"]
    again = await gateway.user.get(f"/jobs/{job.id}", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_told(gateway: Gateway) -> None:
    queued, claim = await gateway.submit(), await gateway.running()
    answer = await gateway.user.post(f"/jobs/{queued.id}/cancel")
    assert (answer.json()["state"], answer.json()["reason"]) == ("cancelled", "cancel_requested")
    assert (await gateway.user.post(f"/jobs/{claim.job}/cancel")).json()["state"] == "running"
    assert (await gateway.attempt(claim, "report", {"first": 0})).json()["cancel"] is True


async def test_what_a_job_printed_is_plain_text(gateway: Gateway) -> None:
    claim = await gateway.running()
    out, err = ({"at": "2026-01-31T12:00:00Z", "kind": "log"} for _ in range(2))
    out["data"] = {"stream": "stdout", "text": "<class 'int'>\n"}
    err["data"] = {"stream": "stderr", "text": "warning", "dropped": 17}
    await gateway.report(claim, out, err)
    both = await gateway.user.get(f"/jobs/{claim.job}/log")
    assert both.text == "<class 'int'>\n\n[17 bytes left out here]\nwarning"
    assert both.headers["content-type"] == "text/plain; charset=utf-8"
    one = await gateway.user.get(f"/jobs/{claim.job}/log", params={"stream": "stdout"})
    assert one.text == "<class 'int'>\n"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_attempts": 0}, "/max_attempts"),
        ({"experiment": "a\0b"}, "/experiment"),
        ({"description": "\ud800"}, "/description"),
        ({"timeout": [1]}, "/timeout"),
        ({"tags": ["good", 7]}, "/tags/1"),
        ({"surprise": 1}, "/surprise"),
        ({"archive": None}, "/archive"),
        ({"parameters": {"eps": "\0"}}, "/parameters/eps"),
    ],
)
async def test_each_bad_field_is_pointed_at(gateway: Gateway, changes: dict[str, Any], pointer: str) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload()} | changes
    body = json.dumps(asked).encode()
    answer = await gateway.user.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


async def test_a_project_in_a_folder_of_the_archive_runs_too(gateway: Gateway) -> None:
    archive = await gateway.upload(
        packed(deep__MLproject="entry_points: {main: {command: python x.py}}", deep__x="")
    )
    claim = await gateway.running(archive=archive)
    assert (claim.project, claim.command) == ("deep", "python x.py")
