"""A job's files beyond one by one: links, folders as one archive, and what callers add."""

import asyncio
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from tests.api.conftest import Gateway, Start
from tests.servers import PATIENCE, s3_server
from tiltyard.wire import Claim
from tiltyard_api.artifacts import routes as artifacts


async def with_files(gateway: Gateway, **files: bytes) -> Claim:
    """A running job with files; `__` in a name stands for a slash."""
    claim = await gateway.running()
    for name, body in files.items():
        assert (await gateway.put(claim, name.replace("__", "/"), body)).is_success
    return claim


async def link(gateway: Gateway, job: str, path: str, **more: int) -> str:
    answer = await gateway.user.post(f"/jobs/{job}/artifacts:link", json={"path": path} | more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as anybody:
        return await anybody.get(url)


async def test_a_link_opens_one_file_as_an_attachment_without_a_token(gateway: Gateway) -> None:
    claim = await with_files(gateway, report=b"a report")
    got = await fetched(await link(gateway, claim.job, "report"))
    assert (got.status_code, got.content) == (200, b"a report")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "value"), [("until", "99999999999"), ("signature", "0" * 64), ("path", "other")]
)
async def test_a_link_that_was_changed_opens_nothing(gateway: Gateway, name: str, value: str) -> None:
    claim = await with_files(gateway, report=b"a report", other=b"another")
    url = urlsplit(await link(gateway, claim.job, "report"))
    query = dict(parse_qsl(url.query))
    path = url.path.replace("report", value) if name == "path" else url.path
    query |= {name: value} if name != "path" else {}
    got = await fetched(url._replace(path=path, query=urlencode(query)).geturl())
    assert (got.status_code, got.json()["code"]) == (403, "bad_link")


async def test_a_link_opens_nothing_when_its_file_was_replaced(gateway: Gateway) -> None:
    claim = await with_files(gateway, report=b"a report")
    url = await link(gateway, claim.job, "report")
    await gateway.put(claim, "report", b"another one")
    assert (await fetched(url)).json()["code"] == "bad_link"


async def test_a_link_expires(gateway: Gateway, until: object) -> None:
    claim = await with_files(gateway, report=b"a report")
    url = await link(gateway, claim.job, "report", seconds=1)

    async def expired() -> bool:
        got = await fetched(url)
        return got.status_code == 403 and got.json()["code"] == "link_expired"

    await until(expired)  # type: ignore[operator]


async def test_a_link_lives_for_an_hour_at_most(gateway: Gateway) -> None:
    claim = await with_files(gateway, report=b"a report")
    asked = {"path": "report", "seconds": 3601}
    assert (await gateway.user.post(f"/jobs/{claim.job}/artifacts:link", json=asked)).status_code == 422
    missing = await gateway.user.post(f"/jobs/{claim.job}/artifacts:link", json={"path": "reprot"})
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_artifact")


async def test_gateways_of_one_database_open_each_others_links(start_gateway: Start) -> None:
    async with start_gateway() as one, start_gateway() as other:
        claim = await with_files(one, report=b"a report")
        url = await link(one, claim.job, "report")
        assert (await fetched(url.replace(one.url, other.url))).content == b"a report"


async def test_a_store_that_callers_reach_signs_its_own_links(start_gateway: Start, tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as given:
        settings = {name.removeprefix("TILTYARD_").lower(): value for name, value in given.items()}
        settings |= {"s3_public_endpoint": settings["s3_endpoint"], "store_dir": None}
        async with start_gateway(**settings) as gateway:
            claim = await with_files(gateway, report=b"a report")
            url = await link(gateway, claim.job, "report", seconds=60)
            assert url.startswith(settings["s3_endpoint"])
            query = dict(parse_qsl(urlsplit(url).query))
            assert query["X-Amz-Expires"] == "60"
            assert query["response-content-disposition"].startswith("attachment;")
            assert (await fetched(url)).content == b"a report"
            changed = url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")
            assert (await fetched(changed)).status_code == 403


async def test_a_folder_comes_as_one_tar_that_is_the_same_each_time(gateway: Gateway) -> None:
    claim = await with_files(gateway, model__b=b"B" * 700, model__deep__a=b"A", other=b"no")
    got = [await gateway.user.get(f"/jobs/{claim.job}/artifacts.tar?under=model") for _ in range(2)]
    assert got[0].content == got[1].content
    assert got[0].headers["content-disposition"].startswith('attachment; filename="model.tar"')
    with tarfile.open(fileobj=io.BytesIO(got[0].content)) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    assert files == {"b": b"B" * 700, "deep/a": b"A"}


async def test_all_files_come_as_one_zip(gateway: Gateway) -> None:
    claim = await with_files(gateway, model__b=b"B" * 700, empty=b"")
    got = [await gateway.user.get(f"/jobs/{claim.job}/artifacts.zip") for _ in range(2)]
    assert got[0].content == got[1].content
    with zipfile.ZipFile(io.BytesIO(got[0].content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "empty": b"",
            "model/b": b"B" * 700,
        }


async def test_names_in_an_archive_are_such_that_every_system_takes_them(gateway: Gateway) -> None:
    claim = await gateway.running()
    for name in ("CON", "a%5C..%5Cb", "Data.csv", "data.csv", "end.", "x%E2%80%AEcod.exe"):
        assert (await gateway.put(claim, name, name.encode())).is_success
    got = await gateway.user.get(f"/jobs/{claim.job}/artifacts.zip")
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        names = archive.namelist()
    assert names == ["%43ON", "Data.csv", "a%5C..%5Cb", "data~2.csv", "end%2E", "x%E2%80%AEcod.exe"]


async def test_a_folder_that_is_not_there_is_told(gateway: Gateway) -> None:
    claim = await with_files(gateway, model__b=b"B")
    got = await gateway.user.get(f"/jobs/{claim.job}/artifacts.tar?under=mod")
    assert (got.status_code, got.json()["code"]) == (404, "no_such_folder")
    assert (await gateway.user.get(f"/jobs/{claim.job}/artifacts.rar")).status_code == 422


async def test_an_archive_whose_file_is_lost_is_cut_off_and_not_ended(gateway: Gateway) -> None:
    claim = await with_files(gateway, a=b"A" * 3_000_000, b=b"B")
    await gateway.parts.store.delete(f"{claim.job}/{claim.epoch}/b")
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.user.get(f"/jobs/{claim.job}/artifacts.tar")


async def test_a_caller_adds_a_file_to_a_job_beside_its_own(gateway: Gateway) -> None:
    claim = await with_files(gateway, result=b"its own")
    await gateway.finish(claim)
    digest = hashlib.sha256(b"a note").hexdigest()
    for _ in range(2):
        put = await gateway.user.put(
            f"/jobs/{claim.job}/artifacts/notes/one.txt",
            content=b"a note",
            headers={"X-Content-SHA256": digest},
        )
        assert (put.status_code, put.json()["attempt"], put.json()["media_type"]) == (200, 0, "text/plain")
    listed = (await gateway.user.get(f"/jobs/{claim.job}/artifacts")).json()["items"]
    assert [(one["path"], one["attempt"]) for one in listed] == [("notes/one.txt", 0), ("result", 1)]
    assert (await gateway.user.get(f"/jobs/{claim.job}/artifacts/notes/one.txt")).content == b"a note"


async def test_what_is_there_is_never_replaced_by_a_caller(gateway: Gateway) -> None:
    claim = await with_files(gateway, result=b"its own")
    url = f"/jobs/{claim.job}/artifacts"
    taken = await gateway.user.put(f"{url}/result", content=b"another")
    assert (taken.status_code, taken.json()["code"]) == (409, "artifact_exists")
    assert (await gateway.user.put(f"{url}/added", content=b"one")).is_success
    assert (await gateway.user.put(f"{url}/added", content=b"two")).status_code == 409
    assert (await gateway.user.get(f"{url}/added")).content == b"one"


async def test_what_the_job_leaves_later_goes_before_what_was_added(gateway: Gateway) -> None:
    claim = await gateway.running()
    url = f"/jobs/{claim.job}/artifacts/result"
    assert (await gateway.user.put(url, content=b"added")).is_success
    assert (await gateway.put(claim, "result", b"its own")).is_success
    assert (await gateway.user.get(url)).content == b"its own"


async def test_what_is_added_has_limits_and_a_digest(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await gateway.running()
    url = f"/jobs/{claim.job}/artifacts"
    wrong = await gateway.user.put(f"{url}/x", content=b"x", headers={"X-Content-SHA256": "0" * 64})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "digest_mismatch")
    monkeypatch.setattr(artifacts, "MOST_ADDED_BYTES", 10)
    assert (await gateway.user.put(f"{url}/x", content=b"x" * 11)).json()["code"] == "too_large"
    assert (await gateway.user.put(f"{url}/x", content=b"x" * 10)).is_success
    assert (await gateway.user.put(f"{url}/y", content=b"")).json()["code"] == "quota_exceeded"
    assert (await gateway.put(claim, "its own", b"x" * 100)).is_success


async def test_what_was_added_meanwhile_counts_when_a_file_is_written_down(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Awaitable[None]]
) -> None:
    claim = await gateway.running()
    url = f"/jobs/{claim.job}/artifacts"
    monkeypatch.setattr(artifacts, "MOST_ADDED_BYTES", 10)
    release = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"slow"
        await release.wait()
        yield b"er"

    slow = asyncio.create_task(gateway.user.put(f"{url}/slow", content=slowly()))
    await until(lambda: bool(list(gateway.parts.spool.glob("*.upload"))))
    assert (await gateway.user.put(f"{url}/quick", content=b"quick!")).is_success
    release.set()
    refused = await slow
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    assert [one["path"] for one in (await gateway.user.get(url)).json()["items"]] == ["quick"]
    kept = hashlib.sha256(b"slower").hexdigest()
    assert await gateway.parts.store.size(f"{claim.job}/0/{kept}") is None


async def test_a_job_that_has_not_begun_is_given_nothing(gateway: Gateway) -> None:
    job = await gateway.submit()
    answer = await gateway.user.put(f"/jobs/{job.id}/artifacts/x", content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_started")


async def test_a_large_file_is_not_taken_for_a_document(gateway: Gateway) -> None:
    claim = await gateway.running()
    body = b"x" * (17 << 20)  # more than any body that is parsed
    assert (await gateway.user.put(f"/jobs/{claim.job}/artifacts/large", content=body)).is_success
