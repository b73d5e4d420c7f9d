"""One suite, over every store: what is promised of a folder is promised of S3."""

# ruff: noqa: ASYNC240 - ten bytes are written between the tests' own steps

import asyncio
import errno
import hashlib
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.servers import free_port, s3_server
from tiltyard_orchestrator.artifacts import s3
from tiltyard_orchestrator.artifacts.folder import FolderStore
from tiltyard_orchestrator.artifacts.keep import keep
from tiltyard_orchestrator.artifacts.s3 import S3Store
from tiltyard_orchestrator.artifacts.store import Missing, Store, StoreAway, StoreFull, place


@pytest.fixture(scope="module", params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folder":
        yield FolderStore(folder / "store")
        return
    with s3_server(folder) as given:
        yield S3Store(
            given["TILTYARD_S3_ENDPOINT"],
            bucket=given["TILTYARD_S3_BUCKET"],
            access_key=given["TILTYARD_S3_ACCESS_KEY"],
            secret_key=given["TILTYARD_S3_SECRET_KEY"],
        )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


async def whole(store: Store, key: str, **part: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, **part)])


async def test_what_is_put_is_read_back_whole(store: Store, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 40_000)
    await store.put("job/1/large", large)
    assert await store.size("job/1/large") == large.stat().st_size
    assert await whole(store, "job/1/large") == large.read_bytes()


async def test_an_empty_file_is_kept_too(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    await store.put("job/1/empty", tmp_path / "empty")
    assert await store.size("job/1/empty") == 0
    assert await whole(store, "job/1/empty") == b""


@pytest.mark.parametrize(
    ("start", "length", "part"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 4, b"3456"), (9, 1, b"9"), (0, 0, b"")],
)
async def test_a_part_can_be_read(
    store: Store, file: Path, start: int, length: int | None, part: bytes
) -> None:
    await store.put("parts", file)
    chunks = store.read("parts", start=start, length=length)
    assert b"".join([chunk async for chunk in chunks]) == part


async def test_a_key_put_again_holds_the_new_bytes(store: Store, file: Path) -> None:
    await store.put("again", file)
    file.write_bytes(b"new")
    await store.put("again", file)
    assert await whole(store, "again") == b"new"


async def test_what_is_not_there_is_missing(store: Store, file: Path) -> None:
    await store.put("there", file)
    assert await store.size("nowhere") is None
    with pytest.raises(Missing):
        await whole(store, "nowhere")


async def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: Store, file: Path) -> None:
    await store.put("deep/down/it/goes", file)
    for _ in range(2):
        await store.delete("deep/down/it/goes")
        assert await store.size("deep/down/it/goes") is None


async def test_hostile_keys_stay_apart_and_inside(store: Store, file: Path) -> None:
    keys = [
        "j/1/../../../etc/passwd", "j/1/..", "j/1/.", "j/1/.hidden", "j/1//", "j/1/a b", "j/1/a+b", "j/1/a%20b",
        "j/1/%2e%2e", "j/1/a\\b", "j/1/a\nb", "j/1/" + "ü" * 255, "j/1/" + "ü" * 254 + "y", "j/1/" + "d/" * 500 + "x",
        "j/1/naïve ☃", "j/1/a", "j/1/a/b", "j/1/a/b/c", "j/1/a%", "j/1/con?x=1#y",
    ]  # fmt: skip
    for number, key in enumerate(keys):
        file.write_text(str(number))
        await store.put(key, file)
    assert [await whole(store, key) for key in keys] == [str(n).encode() for n in range(len(keys))]
    assert not any(".." in place(key).split("/") or place(key).startswith("/") for key in keys)


async def test_a_store_that_nobody_else_reaches_gives_no_links(store: Store, file: Path) -> None:
    await store.put("linked", file)
    assert await store.link("linked", disposition="attachment", seconds=60) is None


async def test_many_may_put_and_delete_side_by_side(store: Store, file: Path) -> None:
    async def come_and_go(number: int) -> None:
        for _ in range(5):
            await store.put(f"busy/folder/{number}", file)
            await store.delete(f"busy/folder/{number}")

    await asyncio.gather(*(come_and_go(number) for number in range(8)))
    assert await store.size("busy/folder/0") is None


async def test_a_store_that_works_is_ready(store: Store) -> None:
    assert await store.ready()


async def test_a_folder_without_room_says_so_and_keeps_what_it_had(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path / "store")
    await store.put("a", file)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", no_room)
    file.write_bytes(b"new")
    with pytest.raises(StoreFull, match="no room"):
        await store.put("a", file)
    assert await whole(store, "a") == b"0123456789"
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a%"]


async def test_a_folder_that_cannot_be_written_is_away(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path / "store")

    def protected(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(shutil, "copyfileobj", protected)
    with pytest.raises(StoreAway, match="Read-only"):
        await store.put("a", file)


class Bucket(BaseHTTPRequestHandler):
    """As much of an S3 server as an upload needs; it refuses uploads with an error of this name."""

    refuses = ""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = f"<Error><Code>{self.refuses}</Code><Message>no</Message></Error>" if self.refuses else ""
        self.send_response(507 if self.refuses else 200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: Any) -> None: ...


async def test_a_server_that_said_it_is_full_is_taken_for_full_until_it_takes_something(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        store = S3Store(address, bucket="full", access_key="a", secret_key="b" * 8)
        assert await store.has_room()
        for code, room in (("EntityTooLarge", True), ("XMinioStorageFull", False)):
            monkeypatch.setattr(Bucket, "refuses", code)
            with pytest.raises(StoreFull):
                await store.put("job/1/x", file)
            assert await store.has_room() is room
        monkeypatch.setattr(s3, "REMEMBER_FULL_SECONDS", 0.0)
        assert await store.has_room(), "it is asked again some time"
        monkeypatch.undo()
        assert not await store.has_room()
        await store.put("job/1/x", file)
        assert await store.has_room()
        server.shutdown()


async def test_a_server_that_is_away_is_said_to_be(file: Path) -> None:
    away = S3Store(f"http://127.0.0.1:{free_port()}", bucket="b", access_key="a", secret_key="s" * 8)
    assert not await away.ready()
    with pytest.raises(StoreAway):
        await away.put("a", file)


async def test_a_wrong_key_is_refused_and_not_taken_for_missing_bytes(tmp_path: Path, file: Path) -> None:
    with s3_server(tmp_path) as given:
        wrong = S3Store(
            given["TILTYARD_S3_ENDPOINT"], bucket="b", access_key="tiltyard", secret_key="wrong" * 4
        )
        assert not await wrong.ready()
        with pytest.raises(StoreAway):
            await wrong.size("a")


async def test_kept_is_what_has_the_digest_and_not_what_has_the_size(store: Store, file: Path) -> None:
    size, sha256 = file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
    assert await keep(store, f"archives/{sha256}", file, size=size, sha256=sha256), "nothing was there"
    assert not await keep(store, f"archives/{sha256}", file, size=size, sha256=sha256)
    other = file.with_name("other")
    other.write_bytes(file.read_bytes()[::-1])
    await store.put(f"archives/{sha256}", other)
    assert await keep(store, f"archives/{sha256}", file, size=size, sha256=sha256)
    assert await whole(store, f"archives/{sha256}") == file.read_bytes()
