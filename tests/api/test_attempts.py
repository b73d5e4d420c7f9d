"""The worker's side: claims, reports, results and files, each fenced by the epoch it names."""

import asyncio
import hashlib
from typing import Any

import pytest

from tests.api.conftest import Gateway, log_of
from tiltyard_api.attempts import routes as attempts
from tiltyard_orchestrator.storage.access.tokens import new_token


def asking(worker: str = "w1") -> dict[str, str]:
    return {"worker": worker, "token": new_token("tya")}


async def test_of_ten_workers_that_were_rung_for_one_job_one_gets_it(gateway: Gateway) -> None:
    await gateway.submit(timeout=90)
    answers = await asyncio.gather(
        *(gateway.worker.post("/queues/cpu/claim", json=asking(f"w{one}")) for one in range(10))
    )
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert (won[0]["epoch"], won[0]["attempt"], won[0]["timeout"]) == (1, 1, 90)
    assert won[0]["command"] == "python attack.py --eps 0.1"
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_claim")


async def test_a_claim_whose_answer_was_lost_is_answered_again_with_the_same_job(gateway: Gateway) -> None:
    for _ in range(2):
        await gateway.submit()
    asked = asking()
    first, again = [(await gateway.worker.post("/queues/cpu/claim", json=asked)).json() for _ in range(2)]
    assert again == first
    assert (await gateway.worker.post("/queues/cpu/claim", json=asking())).json()["job"] != first["job"]


async def test_a_claim_that_is_sent_five_times_at_once_starts_one_job(gateway: Gateway) -> None:
    for _ in range(5):
        await gateway.submit()
    body = asking()
    answers = await asyncio.gather(*(gateway.worker.post("/queues/cpu/claim", json=body) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["job"] for answer in answers}) == 1
    running = (await gateway.user.get("/jobs", params={"state": "running"})).json()
    assert len(running["items"]) == 1


async def test_a_job_of_another_queue_or_of_a_paused_one_is_not_to_be_had(gateway: Gateway) -> None:
    await gateway.submit(queue="pytorch")
    assert (await gateway.worker.post("/queues/cpu/claim", json=asking())).status_code == 409
    await gateway.user.patch("/queues/pytorch", json={"paused": True})
    paused = await gateway.worker.post("/queues/pytorch/claim", json=asking())
    assert "paused" in paused.json()["detail"]


async def test_a_report_that_is_sent_twice_is_written_once(gateway: Gateway) -> None:
    claim = await gateway.running()
    body = {"first": 0, "events": [log_of("a"), log_of("b")]}
    for _ in range(2):
        assert (await gateway.attempt(claim, "report", body)).json()["cancel"] is False
    page = (await gateway.user.get(f"/jobs/{claim.job}/events")).json()
    assert [event["data"].get("text") for event in page["events"]] == [None, None, "a", "b"]


async def test_a_report_with_a_gap_is_refused(gateway: Gateway) -> None:
    answer = await gateway.attempt(await gateway.running(), "report", {"first": 3, "events": []})
    assert (answer.status_code, answer.json()["code"]) == (422, "report_gap")


@pytest.mark.parametrize("kind", ["state", "artifact"])
async def test_an_attempt_cannot_tell_of_what_the_gateway_decides(gateway: Gateway, kind: str) -> None:
    forged = {"kind": kind, "at": "2026-01-01T00:00:00Z", "data": {"state": "succeeded"}}
    claim = await gateway.running()
    answer = await gateway.attempt(claim, "report", {"first": 0, "events": [forged]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    page = (await gateway.user.get(f"/jobs/{claim.job}/events")).json()
    assert [event["data"].get("state") for event in page["events"]] == ["queued", "running"]


async def test_a_result_that_is_sent_twice_gets_the_same_answer(gateway: Gateway) -> None:
    claim = await gateway.running()
    body = {
        "first": 0,
        "state": "failed",
        "reason": "exit_code",
        "exit_code": 7,
        "message": "It exited with 7.",
    }
    answers = [await gateway.attempt(claim, "finish", body) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"state": "failed"}] * 2
    job = (await gateway.user.get(f"/jobs/{claim.job}")).json()
    assert (job["state"], job["reason"], job["message"]) == ("failed", "exit_code", "It exited with 7.")


async def test_an_attempt_that_lost_its_job_is_told_to_stop_whatever_it_sends(gateway: Gateway) -> None:
    claim = await gateway.running()
    assert (await gateway.attempt(claim, "release")).status_code == 204
    newer = await gateway.claim(claim.job)
    assert (newer.attempt, newer.epoch > claim.epoch) == (1, True)
    for call, body in (
        ("report", {"first": 0}),
        ("finish", {"first": 0, "state": "succeeded"}),
        ("release", None),
    ):
        answer = await gateway.attempt(claim, call, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "attempt_superseded")
    assert (await gateway.put(claim, "late.txt", b"late")).status_code == 409
    await gateway.finish(newer)


async def test_only_the_attempts_own_token_opens_it(gateway: Gateway) -> None:
    claim, other = await gateway.running(), await gateway.running()
    path = f"/attempts/{claim.job}/{claim.epoch}/report"
    for caller, token in ((gateway.user, None), (gateway.worker, None), (gateway.nobody, other.token)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await caller.post(path, json={"first": 0}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    unknown = await gateway.nobody.post("/attempts/feed/1/report", json={"first": 0}, headers=headers)
    assert unknown.status_code == 401


@pytest.mark.parametrize("state", ["running", "queued", "waiting"])
async def test_an_attempt_ends_in_a_final_state_alone(gateway: Gateway, state: str) -> None:
    answer = await gateway.attempt(await gateway.running(), "finish", {"first": 0, "state": state})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/state")


async def test_a_file_is_stored_listed_told_of_and_downloaded(gateway: Gateway) -> None:
    claim = await gateway.running()
    body, path = bytes(range(256)) * 100, 'deep/naïve "name"\n☃.bin'
    digest = hashlib.sha256(body).hexdigest()
    for _ in range(2):
        put = await gateway.put(
            claim, "deep/na%C3%AFve%20%22name%22%0A%E2%98%83.bin", body,
            **{"X-Content-SHA256": digest, "Content-Type": "application/x-weights"},
        )  # fmt: skip
        assert put.json()["sha256"] == digest
    listed = (await gateway.user.get(f"/jobs/{claim.job}/artifacts")).json()["items"]
    assert [(one["path"], one["size"], one["media_type"]) for one in listed] == [
        (path, len(body), "application/x-weights")
    ]
    events = (await gateway.user.get(f"/jobs/{claim.job}/events")).json()["events"]
    assert [event["data"]["path"] for event in events if event["kind"] == "artifact"] == [path]
    got = await gateway.user.get(f"/jobs/{claim.job}/artifacts/deep/na%C3%AFve%20%22name%22%0A%E2%98%83.bin")
    assert got.content == body
    assert got.headers["etag"] == f'"{digest}"'
    assert got.headers["content-type"] == "application/x-weights"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"na_ve _name___.bin\"; filename*=UTF-8''na%C3%AFve%20%22name%22%0A%E2%98%83.bin"
    )


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-500", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=4-2", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_a_part_of_a_file_can_be_had(
    gateway: Gateway, asked: str, status: int, body: bytes | None, said: str | None
) -> None:
    claim = await gateway.running()
    await gateway.put(claim, "ten.txt", b"0123456789")
    got = await gateway.user.get(f"/jobs/{claim.job}/artifacts/ten.txt", headers={"Range": asked})
    assert (got.status_code, got.headers.get("content-range")) == (status, said)
    assert body is None or got.content == body


async def test_a_file_that_was_damaged_on_the_way_is_refused(gateway: Gateway) -> None:
    answer = await gateway.put(await gateway.running(), "x", b"damaged", **{"X-Content-SHA256": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (422, "digest_mismatch")


@pytest.mark.parametrize(
    "path", ["..%2Fx", "a%2F..%2Fb", "%2Fetc", "a%2F%2Fb", ".", "x" * 1025, "a%2F" * 70 + "b"]
)
async def test_a_path_that_leads_elsewhere_is_refused(gateway: Gateway, path: str) -> None:
    claim = await gateway.running()
    if path == ".":
        path = "%2E"
    answer = await gateway.put(claim, path, b"x")
    assert answer.status_code in {404, 422}, answer.text
    assert (await gateway.user.get(f"/jobs/{claim.job}/artifacts")).json()["items"] == []


async def test_an_attempt_may_store_so_much_and_no_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_BYTES", 100)
    claim = await gateway.running()
    assert (await gateway.put(claim, "a", b"x" * 60)).status_code == 200
    assert (await gateway.put(claim, "b", b"x" * 60)).status_code == 413
    assert (await gateway.put(claim, "c", b"x" * 40)).status_code == 200
    full = await gateway.put(claim, "d", b"")
    assert (full.status_code, full.json()["code"]) == (413, "quota_exceeded")


async def test_what_an_ended_attempt_left_does_not_change(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.put(claim, "result.txt", b"first")
    await gateway.finish(claim)
    assert (await gateway.put(claim, "result.txt", b"second")).status_code == 409
    assert (await gateway.user.get(f"/jobs/{claim.job}/artifacts/result.txt")).content == b"first"


async def heartbeat(gateway: Gateway, **changes: Any) -> Any:
    said = {"host": "node-7", "queue": "cpu", "state": "idle", "fence": "bubblewrap", "pid": 7} | changes
    return await gateway.worker.put("/workers/node-7.1", json=said)


async def test_a_worker_is_listed_as_it_last_said(gateway: Gateway) -> None:
    await heartbeat(gateway)
    await heartbeat(gateway, state="busy", job="feed")
    (worker,) = (await gateway.user.get("/workers")).json()["items"]
    assert (worker["id"], worker["state"], worker["job"], worker["fence"]) == (
        "node-7.1",
        "busy",
        "feed",
        "bubblewrap",
    )
    assert (await gateway.user.get("/queues/cpu")).json()["workers"] == 1


async def test_a_worker_of_a_queue_that_is_not_there_is_told_which_are(gateway: Gateway) -> None:
    answer = await heartbeat(gateway, queue="cqu")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_queue")
    assert "cpu" in answer.json()["detail"]


async def test_lost_is_not_the_workers_to_say(gateway: Gateway) -> None:
    assert (await heartbeat(gateway, state="lost")).status_code == 422
    assert (await heartbeat(gateway, pid=2**70)).status_code == 422
