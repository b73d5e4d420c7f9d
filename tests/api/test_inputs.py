"""A job's file as another job's parameter: waited for, named with its digest, and given to the attempt alone."""

import hashlib
import io
import tarfile
from typing import Any

import pytest

from tests.api.conftest import Gateway, packed
from tiltyard.archive.content import content_digest
from tiltyard.wire import Claim
from tiltyard_orchestrator.storage.tables import JobRow

PROJECT = """
name: chained
entry_points:
  main:
    parameters:
      model: {type: path, default: model.npz}
      eps: {type: float, default: 0.1}
      note: {type: string, default: ""}
    command: python attack.py {model} --eps {eps} {note}
"""
MODEL = b"weights" * 1000


async def archive_of(gateway: Gateway) -> str:
    return await gateway.upload(packed(MLproject=PROJECT))


async def trained(gateway: Gateway) -> Claim:
    claim = await gateway.running()
    assert (await gateway.put(claim, "models/net 1.npz", MODEL)).is_success
    return claim


async def refused(gateway: Gateway, value: str) -> dict[str, Any]:
    asked = {"experiment": "x", "archive": await archive_of(gateway), "parameters": {"model": value}}
    answer = await gateway.user.post("/jobs", json=asked)
    assert answer.status_code == 422, answer.text
    [item] = answer.json()["errors"]
    return dict(item)


async def test_a_job_waits_for_the_job_whose_file_it_needs_and_gets_it(gateway: Gateway) -> None:
    training = await trained(gateway)
    asked = f"artifact:{training.job}/models/net 1.npz"
    attack = await gateway.submit(archive=await archive_of(gateway), parameters={"model": asked})
    assert attack.state == "waiting"
    assert [one.job for one in attack.after] == [training.job]
    await gateway.finish(training)
    await gateway.user.get(
        f"/jobs/{attack.id}/events", params={"after": attack.seq, "wait": 20}
    )  # it is queued

    claim = await gateway.claim(attack.id)
    [given] = claim.inputs
    assert claim.parameters["model"] == asked
    assert claim.command == "python attack.py '.tiltyard/inputs/model/net 1.npz' --eps 0.1 ''"
    assert (given.place, given.size) == (".tiltyard/inputs/model/net 1.npz", len(MODEL))
    assert given.sha256 == hashlib.sha256(MODEL).hexdigest()
    url = f"/attempts/{claim.job}/{claim.epoch}/inputs/model"
    answer = await gateway.nobody.get(url, headers={"Authorization": f"Bearer {claim.token}"})
    assert answer.content == MODEL
    assert (await gateway.nobody.get(url)).status_code == 401


@pytest.mark.parametrize("asked", ["models/", "models", "models/deep"])
async def test_a_folder_comes_as_a_tar_with_the_digest_of_its_content(gateway: Gateway, asked: str) -> None:
    training = await trained(gateway)
    assert (await gateway.put(training, "models/deep/MLmodel", b"flavors")).is_success
    await gateway.finish(training)
    attack = await gateway.submit(
        archive=await archive_of(gateway), parameters={"model": f"artifact:{training.job}/{asked}"}
    )
    claim = await gateway.claim(attack.id)
    [given] = claim.inputs
    url = f"/attempts/{claim.job}/{claim.epoch}/inputs/model"
    answer = await gateway.nobody.get(url, headers={"Authorization": f"Bearer {claim.token}"})
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    whole = {"net 1.npz": MODEL, "deep/MLmodel": b"flavors"}
    assert files == ({"MLmodel": b"flavors"} if asked.endswith("deep") else whole)
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
    assert (given.folder, given.sha256) == (True, content_digest(digests))
    assert given.size == sum(map(len, files.values()))
    assert given.place == f".tiltyard/inputs/model/{asked.strip('/').split('/')[-1]}"


async def test_what_a_job_was_given_is_written_with_it(gateway: Gateway) -> None:
    training = await trained(gateway)
    value = f"artifact:{training.job}/models/net 1.npz"
    attack = await gateway.submit(archive=await archive_of(gateway), parameters={"model": value})
    await gateway.finish(training)
    await gateway.user.get(f"/jobs/{attack.id}/events", params={"after": attack.seq, "wait": 20})
    await gateway.claim(attack.id)
    async with gateway.parts.database.transaction() as session:
        row = await session.get_one(JobRow, attack.id)
    assert row.inputs == [
        {
            "parameter": "model", "kind": "artifact", "reference": value, "job": training.job,
            "path": "models/net 1.npz", "sha256": hashlib.sha256(MODEL).hexdigest(), "size": len(MODEL),
        }
    ]  # fmt: skip


async def test_text_that_only_looks_like_an_input_is_none(gateway: Gateway) -> None:
    training = await trained(gateway)
    await gateway.finish(training)
    value = f"artifact:{training.job}/models/net 1.npz"
    attack = await gateway.submit(archive=await archive_of(gateway), parameters={"note": value})
    claim = await gateway.claim(attack.id)
    assert claim.inputs == []
    url = f"/attempts/{claim.job}/{claim.epoch}/inputs/note"
    answer = await gateway.nobody.get(url, headers={"Authorization": f"Bearer {claim.token}"})
    assert answer.status_code == 404


async def test_a_job_that_has_ended_is_not_waited_for(gateway: Gateway) -> None:
    training = await trained(gateway)
    await gateway.finish(training)
    value = f"artifact:{training.job}/models/net 1.npz"
    attack = await gateway.submit(archive=await archive_of(gateway), parameters={"model": value})
    assert (attack.state, attack.after) == ("queued", [])


async def test_a_file_that_an_ended_job_did_not_leave_is_told_at_once(gateway: Gateway) -> None:
    training = await trained(gateway)
    await gateway.finish(training)
    item = await refused(gateway, f"artifact:{training.job}/models/other.npz")
    assert (item["pointer"], item["code"]) == ("/parameters/model", "unknown_artifact")


@pytest.mark.parametrize(
    ("value", "code"), [("artifact:nobody/x", "unknown_job"), ("artifact:nobody", "bad_input")]
)
async def test_a_name_that_leads_nowhere_is_told_at_once(gateway: Gateway, value: str, code: str) -> None:
    item = await refused(gateway, value)
    assert (item["pointer"], item["code"]) == ("/parameters/model", code)


async def test_an_attempt_gets_no_file_that_its_parameters_do_not_name(gateway: Gateway) -> None:
    claim = await gateway.running()
    url = f"/attempts/{claim.job}/{claim.epoch}/inputs/eps"
    answer = await gateway.nobody.get(url, headers={"Authorization": f"Bearer {claim.token}"})
    assert answer.status_code == 404
