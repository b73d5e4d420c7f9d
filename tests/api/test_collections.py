"""Experiments and queues: made, listed, changed by whoever saw them last, and never lost by accident."""

import asyncio

from tests.api.conftest import Gateway


async def test_an_experiment_is_made_once(gateway: Gateway) -> None:
    made = await gateway.user.post("/experiments", json={"name": "digits", "description": "ä"})
    assert made.status_code == 201
    again = await gateway.user.post("/experiments", json={"name": "digits"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


async def test_experiments_are_listed_by_name_with_their_jobs_counted(gateway: Gateway) -> None:
    await gateway.submit(experiment="b")
    await gateway.finish(await gateway.running(experiment="b"))
    for name in ("a", "c d/"[:3]):
        await gateway.user.post("/experiments", json={"name": name})
    first = (await gateway.user.get("/experiments", params={"limit": 2})).json()
    assert [(one["name"], one["jobs"]) for one in first["items"]] == [
        ("a", {}),
        ("b", {"queued": 1, "succeeded": 1}),
    ]
    rest = (await gateway.user.get("/experiments", params={"cursor": first["next"]})).json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["c d"], None)


async def test_a_change_is_made_only_to_what_its_caller_has_seen(gateway: Gateway) -> None:
    made = await gateway.user.post("/experiments", json={"name": "digits"})
    seen = {"If-Match": made.headers["etag"]}
    changed = await gateway.user.patch("/experiments/digits", json={"description": "new"}, headers=seen)
    assert changed.json()["description"] == "new"
    late = await gateway.user.patch("/experiments/digits", json={"description": "newer"}, headers=seen)
    assert (late.status_code, late.json()["code"]) == (412, "changed_since")
    renamed = await gateway.user.patch("/experiments/digits", json={"name": "numbers"})
    assert (renamed.json()["name"], renamed.json()["description"]) == ("numbers", "new")
    assert (await gateway.user.get("/experiments/digits")).status_code == 404


async def test_of_ten_changes_to_the_same_version_one_is_made(gateway: Gateway) -> None:
    made = await gateway.user.post("/experiments", json={"name": "digits"})
    seen = {"If-Match": made.headers["etag"]}
    answers = await asyncio.gather(
        *(
            gateway.user.patch("/experiments/digits", json={"description": str(number)}, headers=seen)
            for number in range(10)
        )
    )
    assert sorted({answer.status_code for answer in answers} - {409, 412}) == [200]
    assert sum(answer.status_code == 200 for answer in answers) == 1


async def test_an_experiment_with_jobs_under_way_is_not_deleted(gateway: Gateway) -> None:
    await gateway.submit(experiment="busy")
    answer = await gateway.user.delete("/experiments/busy")
    assert (answer.status_code, answer.json()["code"]) == (409, "unfinished_jobs")


async def test_an_experiment_goes_with_its_ended_jobs_and_their_files(gateway: Gateway) -> None:
    claim = await gateway.running(experiment="done")
    await gateway.put(claim, "a.txt", b"a")
    await gateway.finish(claim)
    assert (await gateway.user.delete("/experiments/done")).status_code == 204
    assert (await gateway.user.get(f"/jobs/{claim.job}")).status_code == 404
    assert await gateway.parts.store.size(f"{claim.job}/{claim.epoch}/a.txt") is None
    assert (await gateway.user.delete("/experiments/done")).status_code == 404


async def test_a_queue_that_is_made_twice_is_one_queue(gateway: Gateway) -> None:
    answers = [await gateway.user.post("/queues", json={"name": "jax"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert "jax" in [queue["name"] for queue in (await gateway.user.get("/queues")).json()["items"]]


async def test_a_queue_is_paused_and_resumed(gateway: Gateway) -> None:
    await gateway.submit()
    paused = await gateway.user.patch("/queues/cpu", json={"paused": True})
    assert (paused.json()["paused"], paused.json()["queued"]) == (True, 1)
    stale = {"If-Match": '"of-another-time"'}
    refused = await gateway.user.patch("/queues/cpu", json={"paused": False}, headers=stale)
    assert refused.status_code == 412
    resumed = await gateway.user.patch(
        "/queues/cpu", json={"paused": False}, headers={"If-Match": paused.headers["etag"]}
    )
    assert resumed.json()["paused"] is False
    assert (await gateway.user.patch("/queues/nonesuch", json={"paused": True})).status_code == 404
