"""A job's manifest says what it was and what it came to; a replay is the very same job again."""

import hashlib
from typing import Any

import pytest
from sqlalchemy import func, update
from sqlmodel import col

from tests.api.conftest import Gateway, packed
from tests.api.plugins import push
from tiltyard.canonical import digest_of
from tiltyard.wire import Claim
from tiltyard.wire.environments import Environment, Hardware
from tiltyard_orchestrator.storage.tables import JobRow

PROJECT = """
name: seeded
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
      seed: {type: integer, default: 7}
      data_seed: {type: integer, default: 1}
      reseeded: {type: boolean, default: false}
    command: python attack.py --eps {eps} --seed {seed}
"""
HERE = Environment(image="i", python="3.11.7", hardware=Hardware(cpus=2), packages={"tiltyard": "0.1.0"})


async def introduce(gateway: Gateway, environment: Environment = HERE) -> None:
    said = {"host": "h", "queue": "cpu", "state": "idle", "environment": environment.model_dump(mode="json")}
    assert (await gateway.worker.put("/workers/w1", json=said)).is_success


def metric(name: str, value: Any, step: int = 0) -> dict[str, Any]:
    return {
        "at": "2026-01-31T12:00:00Z",
        "kind": "metric",
        "data": {"name": name, "value": value, "step": step},
    }


async def manifest(gateway: Gateway, job: str) -> dict[str, Any]:
    answer = await gateway.user.get(f"/jobs/{job}/manifest")
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(gateway: Gateway, **changes: Any) -> Claim:
    claim = await gateway.running(archive=await gateway.upload(packed(MLproject=PROJECT)), **changes)
    await gateway.report(claim, metric("loss", 2.0, 5), metric("loss", 3.0, 4), metric("bound", "Infinity"))
    await gateway.put(claim, "curve.png", b"a picture")
    await gateway.finish(claim, exit_code=0)
    return claim


async def test_the_manifest_holds_what_determined_a_job_and_what_it_came_to(gateway: Gateway) -> None:
    await introduce(gateway)
    claim = await ended(gateway, parameters={"eps": 0.2})
    found = await manifest(gateway, claim.job)
    assert found["complete"] is True
    assert (found["archive"], found["entry_point"]) == (claim.archive, "main")
    assert found["parameters"] == {"eps": 0.2, "seed": 7, "data_seed": 1, "reseeded": False}
    assert found["command"] == "python attack.py --eps 0.2 --seed 7"
    assert [seed["parameter"] for seed in found["seeds"]] == ["data_seed", "seed"]
    assert (found["environment"], found["ran_in"]) == (digest_of(HERE), HERE.model_dump(mode="json"))
    assert found["tiltyard"] == "0.1.0"
    assert found["metrics"] == {"loss": 2.0, "bound": "Infinity"}
    assert (found["exit"]["state"], found["exit"]["exit_code"]) == ("succeeded", 0)
    assert [(one["attempt"], one["outcome"]) for one in found["attempts"]] == [(1, "succeeded")]
    assert [(one["path"], one["size"]) for one in found["outputs"]] == [("curve.png", 9)]


async def test_its_digest_is_that_of_the_rest(gateway: Gateway) -> None:
    claim = await ended(gateway)
    answer = await gateway.user.get(f"/jobs/{claim.job}/manifest")
    found = answer.json()
    digest = found.pop("digest")
    assert digest == digest_of(found)
    assert answer.headers["ETag"] == f'"{digest}"'
    same = await gateway.user.get(f"/jobs/{claim.job}/manifest", headers={"If-None-Match": f'"{digest}"'})
    assert same.status_code == 304


async def test_it_says_what_is_known_of_a_job_that_has_not_ended(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.report(claim, metric("loss", 1.5))
    answer = await gateway.user.get(f"/jobs/{claim.job}/manifest")
    found = answer.json()
    assert (found["complete"], found["digest"], found["metrics"]) == (False, None, {"loss": 1.5})
    assert "ETag" not in answer.headers


async def test_what_an_earlier_attempt_told_and_left_is_not_in_it(gateway: Gateway) -> None:
    first = await gateway.running(retry_on=["exit_code"])
    await gateway.report(first, metric("loss", 9.0, 99), metric("only_the_first", 1.0))
    await gateway.put(first, "early.txt", b"early")
    await gateway.finish(first, state="failed", reason="exit_code", exit_code=1)
    async with gateway.parts.database.transaction() as session:  # the pause between two attempts
        await session.execute(update(JobRow).values(ready_at=func.now()))
    second = await gateway.claim(first.job)
    await gateway.report(second, metric("loss", 1.0, 1))
    await gateway.finish(second)
    found = await manifest(gateway, first.job)
    assert (found["metrics"], found["outputs"]) == ({"loss": 1.0}, [])
    assert [one["outcome"] for one in found["attempts"]] == ["failed", "succeeded"]


async def test_what_comes_from_outside_afterwards_changes_no_manifest(gateway: Gateway) -> None:
    await introduce(gateway)
    claim = await ended(gateway)
    before = await manifest(gateway, claim.job)
    await gateway.user.patch("/experiments/digits", json={"name": "numerals"})
    await introduce(gateway, HERE.model_copy(update={"python": "3.12.0"}))
    posted = [{"name": "loss", "value": 0.0, "step": 99}, {"name": "certified", "value": 0.17}]
    assert (await gateway.user.post(f"/jobs/{claim.job}/metrics", json=posted)).is_success
    added = await gateway.user.put(f"/jobs/{claim.job}/artifacts/notes.txt", content=b"notes")
    assert added.is_success, added.text
    assert await manifest(gateway, claim.job) == before


async def test_a_replay_is_the_same_job_again(gateway: Gateway) -> None:
    old = await push(gateway)
    claim = await ended(gateway, parameters={"eps": 0.25, "seed": 3}, plugins=["mine"])
    await push(gateway, version="2")
    answer = await gateway.user.post(f"/jobs/{claim.job}/replay")
    assert answer.status_code == 201, answer.text
    job, was = answer.json(), (await gateway.user.get(f"/jobs/{claim.job}")).json()
    assert job["parent"] == claim.job
    same = ("archive", "entry_point", "parameters", "queue", "plugins", "experiment")
    assert {name: job[name] for name in same} == {name: was[name] for name in same}
    assert job["plugins"][0]["version"] == old.version


async def test_what_a_job_was_given_is_in_it_with_its_digest(gateway: Gateway) -> None:
    archive = await gateway.upload(
        packed(MLproject="entry_points: {main: {parameters: {model: path}, command: 'x {model}'}}")
    )
    first = await ended(gateway)
    given = f"artifact:{first.job}/curve.png"
    attack = await gateway.running(archive=archive, parameters={"model": given})
    await gateway.finish(attack)
    (found,) = (await manifest(gateway, attack.job))["inputs"]
    assert (found["parameter"], found["kind"], found["reference"]) == ("model", "artifact", given)
    assert (found["sha256"], found["size"]) == (hashlib.sha256(b"a picture").hexdigest(), 9)
    again = (await gateway.user.post(f"/jobs/{attack.job}/replay")).json()
    assert again["parameters"] == {"model": given}


async def test_a_replay_takes_the_model_that_an_alias_stood_for(gateway: Gateway) -> None:
    claim = await gateway.running(archive=await gateway.upload(packed(MLproject=PROJECT)))
    record = {
        "parameter": "note",
        "kind": "model",
        "reference": "model:victim/3",
        "model": "victim",
        "version": "3",
    }
    async with gateway.parts.database.transaction() as session:
        await session.execute(update(JobRow).where(col(JobRow.id) == claim.job).values(inputs=[record]))
    await gateway.finish(claim)
    answer = await gateway.user.post(f"/jobs/{claim.job}/replay")
    # The parameter is none of this entry point's: that it is asked for shows what is passed on.
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/parameters/note"]


async def test_only_what_has_ended_is_replayed(gateway: Gateway) -> None:
    job = await gateway.submit()
    answer = await gateway.user.post(f"/jobs/{job.id}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ended")


@pytest.mark.parametrize("call", ["manifest", "replay"])
async def test_there_is_none_of_a_job_that_is_not_there(call: str, gateway: Gateway) -> None:
    ask = gateway.user.post if call == "replay" else gateway.user.get
    assert (await ask(f"/jobs/0000000000000000/{call}")).status_code == 404
