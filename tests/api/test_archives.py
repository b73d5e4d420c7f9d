"""Uploading archives: streamed, hashed, opened once, and refused by the name of the rule they break."""

import asyncio
import hashlib
import tarfile
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import PROJECT, Gateway, Start, packed
from tests.servers import s3_server
from tiltyard_api import archives

GOOD = packed(MLproject=PROJECT)


def member(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        project = tarfile.TarInfo("MLproject")
        project.size = len(PROJECT)
        archive.addfile(project, BytesIO(PROJECT.encode()))
        other = tarfile.TarInfo(name)
        other.type, other.linkname = kind, "/etc/passwd"
        archive.addfile(other)
    return out.getvalue()


async def test_an_archive_is_stored_once_under_its_digest_with_what_it_declares(gateway: Gateway) -> None:
    first, again = [await gateway.user.post("/archives", content=GOOD) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    archive = first.json()
    assert archive["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert (archive["format"], archive["size"], archive["files"], archive["name"]) == (
        "tar.gz",
        len(GOOD),
        1,
        "probe",
    )
    (entry,) = archive["entry_points"]
    assert (entry["name"], entry["parameters"][0]["name"], entry["parameters"][0]["default"]) == (
        "main",
        "eps",
        0.1,
    )
    assert (await gateway.user.get(f"/archives/{archive['sha256']}")).json() == archive
    assert (await gateway.user.head(f"/archives/{archive['sha256']}")).status_code == 200
    assert (await gateway.user.head(f"/archives/{'0' * 64}")).status_code == 404


async def test_its_bytes_come_back_to_users_and_workers(gateway: Gateway) -> None:
    digest = await gateway.upload(GOOD)
    for caller in (gateway.user, gateway.worker):
        answer = await caller.get(f"/archives/{digest}/content")
        assert answer.content == GOOD
        assert answer.headers["etag"] == f'"{digest}"'


async def test_ten_uploads_of_the_same_bytes_at_once_are_one_archive(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.user.post("/archives", content=GOOD) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]


async def test_an_archive_whose_bytes_were_lost_is_made_whole_by_uploading_it_again(gateway: Gateway) -> None:
    digest = await gateway.upload(GOOD)
    await gateway.parts.store.delete(f"archives/{digest}")
    assert (await gateway.user.head(f"/archives/{digest}")).status_code == 404
    answer = await gateway.user.get(f"/archives/{digest}/content")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_incomplete")
    await gateway.upload(GOOD)
    assert (await gateway.user.get(f"/archives/{digest}/content")).content == GOOD


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unknown_format"),
        (b"not an archive at all", "unknown_format"),
        (GOOD[:60], "damaged"),
        (member("x", tarfile.SYMTYPE), "link"),
        (member("x", tarfile.CHRTYPE), "device"),
        (member("../outside"), "parent_path"),
        (member("/etc/cron.d/x"), "absolute_path"),
        (member("mlPROJECT"), "duplicate"),
        (packed(readme="no project here"), "no_mlproject"),
        (packed(a__MLproject=PROJECT, b__MLproject=PROJECT), "two_mlprojects"),
        (packed(MLproject="entry_points: ["), "malformed_mlproject"),
        (packed(MLproject="entry_points: {main: {command: 7}}"), "malformed_mlproject"),
        (packed(MLproject="entry_points: {}"), "no_entry_points"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_its_name_and_leaves_nothing(
    gateway: Gateway, body: bytes, code: str
) -> None:
    answer = await gateway.user.post("/archives", content=body)
    assert answer.status_code == 422
    assert code in {answer.json()["code"], *(item["code"] for item in answer.json()["errors"])}
    assert (await gateway.user.get(f"/archives/{hashlib.sha256(body).hexdigest()}")).status_code == 404
    assert list(gateway.parts.spool.glob("*.upload")) == []


async def zeros(size: int) -> AsyncIterator[bytes]:
    for _ in range(size >> 16):
        yield bytes(1 << 16)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_with_and_without_a_length(
    gateway: Gateway, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 1 << 20)
    headers = {"Content-Length": str(2 << 20)} if announced else {}
    answer = await gateway.user.post("/archives", content=zeros(2 << 20), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert list(gateway.parts.spool.glob("*.upload")) == []


async def test_a_form_is_not_taken_for_an_archive(gateway: Gateway) -> None:
    answer = await gateway.user.post("/archives", files={"file": GOOD})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway, until: Callable[..., Any]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
    head = f"POST /api/v1/archives HTTP/1.1\r\nHost: x\r\nAuthorization: {gateway.user.headers['authorization']}\r\n"
    writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"x" * 500)
    await writer.drain()
    await until(lambda: list(gateway.parts.spool.glob("*.upload")))
    writer.transport.abort()
    await until(lambda: not list(gateway.parts.spool.glob("*.upload")))
    del reader


async def test_a_gateway_keeps_them_in_s3_as_well(start_gateway: Start, tmp_path: Path) -> None:
    with s3_server(tmp_path) as given:
        changes = {name.removeprefix("TILTYARD_").lower(): value for name, value in given.items()}
        async with start_gateway(store_dir=None, **changes) as gateway:
            claim = await gateway.running(archive=await gateway.upload(GOOD))
            assert (await gateway.worker.get(f"/archives/{claim.archive}/content")).content == GOOD
            assert (await gateway.put(claim, "a/b.txt", b"0123456789")).status_code == 200
            path = f"/jobs/{claim.job}/artifacts/a/b.txt"
            assert (await gateway.user.get(path)).content == b"0123456789"
            assert (await gateway.user.get(path, headers={"Range": "bytes=3-5"})).content == b"345"


async def test_a_store_that_is_away_refuses_uploads_and_no_job(start_gateway: Start, tmp_path: Path) -> None:
    async with start_gateway() as gateway:
        digest = await gateway.upload(GOOD)
    away = {"s3_endpoint": "http://127.0.0.1:9", "s3_access_key": "a", "s3_secret_key": "s" * 8}
    async with start_gateway(store_dir=None, **away) as gateway:
        answer = await gateway.user.post("/archives", content=GOOD)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert (await gateway.submit(archive=digest, experiment="e")).state == "queued"
