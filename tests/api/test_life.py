"""The life of a job over REST: idempotency under a crowd, cancelling many, explanations, orders to workers."""

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Gateway
from tiltyard.wire import Explanation, Job


async def test_a_hundred_submissions_with_one_key_are_one_job(gateway: Gateway) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload()}
    headers = {"Idempotency-Key": "the-same"}

    async def submit(_: int) -> Any:
        return await gateway.user.post("/jobs", json=asked, headers=headers)

    answers = await asyncio.gather(*map(submit, range(100)))
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await gateway.user.post("/jobs", json=asked | {"priority": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_cancelling_everything_must_be_said(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.submit()
    refused = await gateway.user.post("/jobs:cancel", json={})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "everything")
    counted = await gateway.user.post("/jobs:cancel", json={"everything": True, "dry_run": True})
    assert counted.json() == {"matched": 3, "cancelled": 0, "asked": 0}
    done = await gateway.user.post("/jobs:cancel", json={"everything": True})
    assert done.json() == {"matched": 3, "cancelled": 3, "asked": 0}
    again = await gateway.user.post("/jobs:cancel", json={"everything": True})
    assert again.json() == {"matched": 0, "cancelled": 0, "asked": 0}


async def test_a_job_is_cancelled_once_however_often_it_is_asked(gateway: Gateway) -> None:
    claim = await gateway.running()
    for _ in range(2):
        asked = (await gateway.user.post(f"/jobs/{claim.job}/cancel")).json()
        assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    assert (await gateway.attempt(claim, "report", {"first": 0})).json()["cancel"] is True
    await gateway.finish(claim, state="cancelled", reason="cancel_requested")
    ended = Job.model_validate((await gateway.user.post(f"/jobs/{claim.job}/cancel")).json())
    assert (ended.state, ended.seq) == ("cancelled", 3)


async def test_what_a_job_waits_for_makes_its_etag_new(gateway: Gateway) -> None:
    job = await gateway.submit()
    before = await gateway.user.get(f"/jobs/{job.id}")
    await gateway.user.patch("/queues/cpu", json={"paused": True})
    headers = {"If-None-Match": before.headers["ETag"]}
    after = await gateway.user.get(f"/jobs/{job.id}", headers=headers)
    assert after.status_code == 200
    assert "is paused" in after.json()["pending_reason"]
    same = await gateway.user.get(f"/jobs/{job.id}", headers={"If-None-Match": after.headers["ETag"]})
    assert same.status_code == 304


@pytest.mark.parametrize("reason", ["out_of_memory", "over_limit"])
async def test_attempts_are_told_as_they_ended(gateway: Gateway, reason: str) -> None:
    claim = await gateway.running(max_attempts=2, retry_on=[reason])
    await gateway.finish(claim, state="failed", reason=reason, message="It took too much.")
    why = Explanation.model_validate((await gateway.user.get(f"/jobs/{claim.job}/why")).json())
    (one,) = why.attempts
    assert (one.outcome, one.reason) == ("failed", reason)
    assert str(one.message).startswith("It took too much.")
    assert [one.code for one in why.pending] == ["no_worker", "retry"]
    assert "attempt 2 of 2 may start at" in why.summary


async def test_a_new_process_is_not_told_what_the_one_before_it_was(gateway: Gateway) -> None:
    beat = {"host": "h", "queue": "cpu", "state": "idle", "incarnation": "one"}
    await gateway.worker.put("/workers/w1", json=beat)
    assert (await gateway.user.post("/workers/w1/stop")).json()["order"] == "stop"
    assert (await gateway.worker.put("/workers/w1", json=beat)).json()["order"] == "stop"
    again = await gateway.worker.put("/workers/w1", json=beat | {"incarnation": "two"})
    assert again.json()["order"] is None
    assert (await gateway.user.post("/workers/nobody/drain")).status_code == 404
