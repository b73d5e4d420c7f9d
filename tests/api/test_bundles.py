"""A bundle carries an experiment from one gateway to another, with another database and another store, whole or not at all."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Gateway, packed
from tests.api.plugins import look, push
from tests.api.test_manifests import PROJECT, introduce, manifest, metric
from tiltyard.canonical import digest_of
from tiltyard.wire import Claim
from tiltyard_api.bundles import importing
from tiltyard_orchestrator.bundle import writing
from tiltyard_orchestrator.bundle.framing import BLOCK, header, opening, padding
from tiltyard_orchestrator.storage.archives import archive_key
from tiltyard_orchestrator.storage.bundles import write
from tiltyard_orchestrator.storage.plugins.read import plugin_key

Entries = dict[str, bytes]


async def attacked(gateway: Gateway, eps: float, **changes: Any) -> Claim:
    """A job that has ended, with a metric, a line of log, and a file."""
    archive = await gateway.upload(packed(MLproject=PROJECT))
    claim = await gateway.running(archive=archive, parameters={"eps": eps}, **changes)
    said = {"at": "2026-01-31T12:00:00Z", "kind": "log", "data": {"stream": "stdout", "text": "ready\n"}}
    await gateway.report(claim, said, metric("accuracy", 1 - eps, 3), metric("bound", "NaN"))
    await gateway.put(claim, "folder/curve.png", f"a picture of {eps}".encode())
    await gateway.finish(claim, exit_code=0)
    return claim


async def export(gateway: Gateway, name: str = "digits") -> bytes:
    answer = await gateway.user.get(f"/experiments/{name}/bundle")
    assert answer.is_success, answer.text
    return answer.content


async def metrics(gateway: Gateway, job: str) -> list[tuple[str, Any, int]]:
    found = (await gateway.user.get(f"/jobs/{job}/metrics")).json()["items"]
    return [(one["name"], one["value"], one["attempt"]) for one in found]


async def bring(gateway: Gateway, bundle: bytes, **asked: str) -> httpx.Response:
    return await gateway.user.post("/bundles", content=bundle, params=asked)


async def nothing_is_there(gateway: Gateway) -> bool:
    jobs = (await gateway.user.get("/jobs")).json()["items"]
    experiments = (await gateway.user.get("/experiments")).json()["items"]
    return jobs == [] and experiments == []


def entries_of(bundle: bytes) -> Entries:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as opened:
        files = {member.name: opened.extractfile(member) for member in opened}
        return {name: file.read() for name, file in files.items() if file is not None}


def sealed(entries: Entries, change: Callable[[dict[str, Any]], None] = lambda _index: None) -> bytes:
    """A bundle of these entries whose every digest is right: what somebody hostile would send."""
    index = json.loads(entries["bundle.json"])
    kept = {name: raw for name, raw in entries.items() if not name.startswith("bundle.")}
    index["entries"] = [
        {"name": name, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in kept.items()
    ]
    change(index)
    body = b"".join(header(name, len(raw)) + raw + padding(len(raw)) for name, raw in kept.items())
    return opening(json.dumps(index).encode()) + body + bytes(1024)


async def test_an_experiment_stands_elsewhere_as_it_stood_here(gateway: Gateway, elsewhere: Gateway) -> None:
    await introduce(gateway)
    claims = [await attacked(gateway, eps, tags=["paper"]) for eps in (0.1, 0.2)]
    await gateway.user.post(f"/jobs/{claims[0].job}/metrics", json=[{"name": "certified", "value": 0.17}])
    answer = await bring(elsewhere, await export(gateway))
    assert answer.status_code == 201, answer.text
    assert (answer.json()["imported"], answer.json()["skipped"]) == (2, 0)
    for claim in claims:
        path = f"/jobs/{claim.job}"
        assert await manifest(elsewhere, claim.job) == await manifest(gateway, claim.job)
        here, there = [(await one.user.get(f"{path}/events")).json() for one in (gateway, elsewhere)]
        assert there == here
        assert (await elsewhere.user.get(path)).json()["bundle"] == answer.json()["bundle"]
        assert await metrics(elsewhere, claim.job) == await metrics(gateway, claim.job) != []
        file = await elsewhere.user.get(f"{path}/artifacts/folder/curve.png")
        assert file.content == (await gateway.user.get(f"{path}/artifacts/folder/curve.png")).content
    (experiment,) = (await elsewhere.user.get("/experiments")).json()["items"]
    assert (experiment["name"], experiment["jobs"]) == ("digits", {"succeeded": 2})


async def test_the_same_jobs_make_the_same_bundle_and_any_tar_lists_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await introduce(gateway)
    claim = await attacked(gateway, 0.1)
    answer = await gateway.user.get("/experiments/digits/bundle")
    monkeypatch.setattr("tiltyard_orchestrator.bundle.writing.PAGE", 2)  # as of jobs with very many events
    assert answer.content == await export(gateway)
    entries = entries_of(answer.content)
    seal = entries["bundle.sha256"].decode().strip()
    assert seal == hashlib.sha256(entries["bundle.json"]).hexdigest() == answer.headers["X-Bundle-Digest"]
    assert f"jobs/{claim.job}.jsonl" in entries
    assert json.loads(entries["bundle.json"])["jobs"] == 1


async def test_jobs_that_have_not_ended_are_left_out_and_counted(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    await attacked(gateway, 0.1)
    running, waiting = await gateway.running(), await gateway.submit()
    done = (await bring(elsewhere, await export(gateway))).json()
    assert (done["imported"], done["left_out"]) == (1, 2)
    for job in (running.job, waiting.id):
        assert (await elsewhere.user.get(f"/jobs/{job}")).status_code == 404


async def test_a_bundle_that_comes_again_is_skipped(gateway: Gateway, elsewhere: Gateway) -> None:
    await attacked(gateway, 0.1)
    bundle = await export(gateway)
    assert (await bring(elsewhere, bundle)).status_code == 201
    again = await bring(elsewhere, bundle)
    assert (again.status_code, again.json()["imported"], again.json()["skipped"]) == (200, 0, 1)
    await attacked(gateway, 0.2)
    more = await bring(elsewhere, await export(gateway))
    assert (more.status_code, more.json()["imported"], more.json()["skipped"]) == (201, 1, 1)
    home = await bring(gateway, await export(gateway))
    assert (home.status_code, home.json()["imported"]) == (200, 0)


async def test_a_name_that_is_taken_wants_another_one(gateway: Gateway, elsewhere: Gateway) -> None:
    await attacked(gateway, 0.1)
    await elsewhere.user.post("/experiments", json={"name": "digits"})
    bundle = await export(gateway)
    refused = await bring(elsewhere, bundle)
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert "--as" in refused.json()["detail"]
    assert (await bring(elsewhere, bundle, **{"as": "numerals"})).status_code == 201
    (job,) = (await elsewhere.user.get("/jobs")).json()["items"]
    assert job["experiment"] == "numerals"
    assert (await bring(elsewhere, bundle, **{"as": "a/b"})).json()["code"] == "bad_name"


async def test_every_changed_byte_is_refused_with_the_entry_it_is_in(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    await introduce(gateway)
    await push(gateway)
    await attacked(gateway, 0.1, plugins=["mine"])
    bundle = await export(gateway)
    with tarfile.open(fileobj=io.BytesIO(bundle)) as opened:
        members = [(one.name, one.offset, one.offset_data, one.size) for one in opened]
    assert len(members) >= 6  # the seal, the index, a job, a file, an archive, a plugin, an environment
    for name, start, data, size in members:
        behind = [data + size] if size % BLOCK else []
        for place in (start + 110, data, data + size - 1, *behind):
            changed = bytearray(bundle)
            changed[place] ^= 1
            answer = await bring(elsewhere, bytes(changed))
            assert (answer.status_code, answer.json()["code"]) == (422, "bundle_changed"), (name, place)
            (error,) = answer.json()["errors"]
            assert name in error["pointer"] or name in {"bundle.sha256", "bundle.json"}, (name, place)
    for other in (bundle[:-1], bundle[:-700], bundle + b"\0", bundle[: len(bundle) // 2]):
        assert (await bring(elsewhere, other)).json()["code"] == "bundle_changed"
    assert await nothing_is_there(elsewhere)


async def test_what_is_no_bundle_is_told_so(elsewhere: Gateway) -> None:
    for body in (b"", b"hello", packed(MLproject=PROJECT)):
        assert (await bring(elsewhere, body)).json()["code"] == "not_a_bundle"


async def test_a_later_version_is_named(gateway: Gateway, elsewhere: Gateway) -> None:
    await attacked(gateway, 0.1)
    later = sealed(entries_of(await export(gateway)), lambda index: index.update(version=2, novelty=True))
    answer = await bring(elsewhere, later)
    assert (answer.status_code, answer.json()["code"]) == (422, "bundle_too_new")
    assert "version 2" in answer.json()["errors"][0]["detail"]


def _lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


def _running(lines: list[dict[str, Any]]) -> None:
    lines[0]["job"]["state"] = "running"


def _gap(lines: list[dict[str, Any]]) -> None:
    del lines[3]


def _swapped(lines: list[dict[str, Any]]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def _no_end(lines: list[dict[str, Any]]) -> None:
    lines[:] = [line for line in lines if line.get("event", {}).get("data", {}).get("state") != "succeeded"]


def _other_job(lines: list[dict[str, Any]]) -> None:
    lines[0]["job"]["id"] = "0" * 20


def _better(lines: list[dict[str, Any]]) -> None:
    lines[1]["manifest"]["metrics"]["accuracy"] = 1.0


def _other_parameters(lines: list[dict[str, Any]]) -> None:
    lines[0]["job"]["parameters"]["eps"] = 0.9


def _outside(lines: list[dict[str, Any]]) -> None:
    next(line for line in lines if "artifact" in line)["artifact"]["path"] = "../../etc/passwd"


def _wrong_type(lines: list[dict[str, Any]]) -> None:
    lines[2]["event"]["seq"] = "many"


def _huge(lines: list[dict[str, Any]]) -> None:
    lines[0]["job"]["attempt"] = 2**70


def _nothing_known(lines: list[dict[str, Any]]) -> None:
    lines.append({"command": "rm -rf /"})


def _without_what_it_left(lines: list[dict[str, Any]]) -> None:
    next(line for line in lines if "artifact" in line)["artifact"]["sha256"] = "f" * 64


def _sealed_by_itself(lines: list[dict[str, Any]]) -> None:
    lines[1]["manifest"]["digest"] = "0" * 64


def _no_entry_point(lines: list[dict[str, Any]]) -> None:
    lines[0]["job"]["entry_point"] = lines[1]["manifest"]["entry_point"] = "nowhere"
    lines[1]["manifest"].pop("digest")
    lines[1]["manifest"]["digest"] = digest_of(lines[1]["manifest"])


HOSTILE = (
    _running, _gap, _swapped, _no_end, _other_job, _better, _other_parameters, _outside, _wrong_type, _huge, _nothing_known,
    _without_what_it_left, _sealed_by_itself, _no_entry_point,
)  # fmt: skip


async def test_what_cannot_be_is_refused_although_its_digests_are_right(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    claim = await attacked(gateway, 0.1)
    name, bundle = f"jobs/{claim.job}.jsonl", await export(gateway)
    for hostile in HOSTILE:
        entries = entries_of(bundle)
        lines = _lines(entries[name])
        hostile(lines)
        entries[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        answer = await bring(elsewhere, sealed(entries))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_bundle"), (hostile, answer.text)
        assert claim.job in answer.json()["errors"][0]["pointer"], hostile
        assert await nothing_is_there(elsewhere), hostile


async def test_what_is_named_and_not_there_is_refused(gateway: Gateway, elsewhere: Gateway) -> None:
    await introduce(gateway)
    claim = await attacked(gateway, 0.1)
    bundle, found = await export(gateway), await manifest(gateway, claim.job)
    for gone in (found["archive"], found["outputs"][0]["sha256"], found["environment"]):
        entries = entries_of(bundle)
        del entries[f"blobs/{gone}"]
        answer = await bring(elsewhere, sealed(entries))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_bundle"), answer.text
    assert await nothing_is_there(elsewhere)


async def test_a_job_that_is_here_and_another_is_never_overwritten(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    claim = await attacked(gateway, 0.1)
    entries = entries_of(await export(gateway))
    await bring(elsewhere, await export(gateway))
    name = f"jobs/{claim.job}.jsonl"
    lines = _lines(entries[name])
    for line in lines:
        if "job" in line:
            line["job"]["message"] = "made up"
        if "manifest" in line:
            line["manifest"]["exit"]["message"] = "made up"
            line["manifest"].pop("digest")
            line["manifest"]["digest"] = digest_of(line["manifest"])
    entries[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    before = await manifest(elsewhere, claim.job)
    answer = await bring(elsewhere, sealed(entries), **{"as": "another"})
    assert (answer.status_code, answer.json()["code"]) == (409, "job_exists"), answer.text
    assert await manifest(elsewhere, claim.job) == before


async def test_plugins_come_with_it_and_are_checked_like_pushed_ones(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    await push(gateway, version="1")
    claim = await attacked(gateway, 0.1, plugins=["mine"])
    done = (await bring(elsewhere, await export(gateway))).json()
    assert [(pin["name"], pin["version"]) for pin in done["plugins"]] == [("mine", "1")]
    found = await look(elsewhere, "mine", "1")
    assert found.state == "checking"
    assert found.check is not None
    await elsewhere.finish(await elsewhere.claim(found.check))
    assert (await look(elsewhere, "mine", "1", wait=10)).state == "ready"
    replay = await elsewhere.user.post(f"/jobs/{claim.job}/replay")
    assert replay.status_code == 201, replay.text
    assert replay.json()["plugins"] == (await gateway.user.get(f"/jobs/{claim.job}")).json()["plugins"]


async def test_what_comes_is_never_newer_than_what_is_here_nor_replaces_it(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    for version in ("1", "2"):
        await push(gateway, version=version)
        await attacked(gateway, 0.1, plugins=[f"mine=={version}"])
    other = await push(
        elsewhere, version="2", source="from tiltyard import task\n\n@task\ndef x():\n    ...\n"
    )
    done = (await bring(elsewhere, await export(gateway))).json()
    assert [pin["version"] for pin in done["plugins"]] == ["1"]
    assert [pin["version"] for pin in done["plugins_left"]] == ["2"]
    assert (await look(elsewhere, "mine", "2")).sha256 == other.sha256
    check = (await look(elsewhere, "mine", "1")).check
    assert check is not None
    await elsewhere.finish(await elsewhere.claim(check))
    assert (await look(elsewhere, "mine", "1", wait=10)).current is False
    assert (await elsewhere.user.get("/plugins/mine")).json()["current"] == "2"


async def test_a_queue_that_nobody_serves_is_made_for_what_comes(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    await gateway.user.post("/queues", json={"name": "jax"})
    job = await gateway.submit(queue="jax")
    await gateway.user.post(f"/jobs/{job.id}/cancel")
    assert (await bring(elsewhere, await export(gateway))).status_code == 201
    found = (await elsewhere.user.get(f"/jobs/{job.id}")).json()
    assert (found["state"], found["queue"], found["reason"]) == ("cancelled", "jax", "cancel_requested")


async def test_there_is_no_bundle_of_an_experiment_that_is_not_there(gateway: Gateway) -> None:
    assert (await gateway.user.get("/experiments/nothing/bundle")).status_code == 404


async def test_an_import_that_fails_at_the_last_moment_leaves_no_file_behind(
    gateway: Gateway, elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await attacked(gateway, 0.1)

    async def away(*_: Any, **__: Any) -> None:
        raise OSError("the database went away")

    monkeypatch.setattr("tiltyard_api.bundles.importing.insert_results", away)
    answer = await bring(elsewhere, await export(gateway))
    assert not answer.is_success
    assert await nothing_is_there(elsewhere)
    assert await elsewhere.parts.store.size(f"{claim.job}/1/folder/curve.png") is None


async def test_a_sweep_travels_with_its_jobs_and_its_cells_are_run_again(
    gateway: Gateway, elsewhere: Gateway
) -> None:
    archive = await gateway.upload(packed(MLproject=PROJECT))
    asked = {"experiment": "digits", "archive": archive, "axes": [{"parameter": "eps", "values": [0.1, 0.2]}]}
    sweep = (await gateway.user.post("/sweeps", json=asked)).json()["id"]
    running = [one["job"] for one in (await gateway.user.get(f"/sweeps/{sweep}/cells")).json()["items"]]
    await gateway.finish(await gateway.claim(running[0]))
    unended = (await bring(elsewhere, await export(gateway))).json()
    assert (unended["imported"], unended["left_out"], unended["sweeps"]) == (1, 1, 0)
    await gateway.finish(await gateway.claim(running[1]))
    done = (await bring(elsewhere, await export(gateway))).json()
    assert (done["imported"], done["skipped"], done["sweeps"]) == (1, 1, 1)
    here, there = [(await one.user.get(f"/sweeps/{sweep}/cells")).json() for one in (gateway, elsewhere)]
    assert there == here
    assert (await elsewhere.user.get(f"/sweeps/{sweep}")).json()["state"] == "succeeded"
    longer = asked | {"axes": [{"parameter": "eps", "values": [0.1, 0.2, 0.3]}]}
    again = (await elsewhere.user.post("/sweeps", json=longer)).json()
    assert (again["cells"], again["reused"]) == (3, 0)


async def test_a_sweep_that_cannot_be_is_refused(gateway: Gateway, elsewhere: Gateway) -> None:
    archive = await gateway.upload(packed(MLproject=PROJECT))
    asked = {"experiment": "digits", "archive": archive, "axes": [{"parameter": "eps", "values": [0.1, 0.2]}]}
    sweep = (await gateway.user.post("/sweeps", json=asked)).json()["id"]
    for cell in (await gateway.user.get(f"/sweeps/{sweep}/cells")).json()["items"]:
        await gateway.finish(await gateway.claim(cell["job"]))
    entries = entries_of(await export(gateway))
    lines = entries["sweeps.jsonl"].splitlines(keepends=True)
    for hostile in (lines[1:], lines[:-1], [lines[0], lines[2], lines[1]], [*lines, b'{"sweep":{}}\n']):
        changed = entries | {"sweeps.jsonl": b"".join(hostile)}
        answer = await bring(elsewhere, sealed(changed))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_bundle"), answer.text
    assert await nothing_is_there(elsewhere)


async def test_bytes_of_the_same_size_and_other_content_are_replaced_by_those_that_came(
    gateway: Gateway, elsewhere: Gateway, tmp_path: Path
) -> None:
    await push(gateway)
    claim = await attacked(gateway, 0.1, plugins=["mine"])
    job = (await gateway.user.get(f"/jobs/{claim.job}")).json()
    keys = [archive_key(job["archive"]), plugin_key(job["plugins"][0]["sha256"])]
    for key in keys:
        other = tmp_path / "other"
        other.write_bytes(bytes(await gateway.parts.store.size(key) or 0))
        await elsewhere.parts.store.put(key, other)
    answer = await bring(elsewhere, await export(gateway))
    assert answer.status_code == 201, answer.text
    for key in keys:
        content = b"".join([piece async for piece in elsewhere.parts.store.read(key)])
        assert hashlib.sha256(content).hexdigest() in key


async def test_a_page_of_jobs_and_more_come_with_all_that_each_had(
    gateway: Gateway, elsewhere: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (importing, write):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(writing, "PAGE", 12)
    claims = [await attacked(gateway, eps / 10) for eps in range(5)]
    assert (await bring(elsewhere, await export(gateway))).json()["imported"] == 5
    for claim in claims:
        assert await metrics(elsewhere, claim.job) == await metrics(gateway, claim.job)
        for path in ("events", "artifacts"):
            answers = [await one.user.get(f"/jobs/{claim.job}/{path}") for one in (gateway, elsewhere)]
            assert answers[0].json() == answers[1].json()
    assert await export(elsewhere) == await export(gateway)
