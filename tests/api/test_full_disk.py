"""A disk that is full while files come and go: a clear answer, nothing half there, and all is well when there is room."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Gateway, Start
from tests.api.test_bundles import attacked, bring, export, nothing_is_there
from tests.api.test_door import problem_of
from tests.api.test_manifests import introduce
from tests.faults.disk import BALLAST, Disk

MEBIBYTE = 1 << 20
PICTURE = os.urandom(3 * MEBIBYTE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    small = Disk(tmp_path / "disk", mebibytes=16, files=0)
    if not small.mounted:
        pytest.skip("only who may mount has a small disk to fill")
    yield small
    small.close()


@pytest.fixture
async def cramped(start_gateway: Start, another_database: str, disk: Disk) -> AsyncIterator[Gateway]:
    """A gateway whose store and whose uploads are on the small disk."""
    async with start_gateway(database_url=another_database, store_dir=disk.folder / "store") as running:
        yield running


def leave(disk: Disk, mebibytes: float) -> None:
    """Fill a disk but for so much."""
    disk.fill()
    ballast = disk.folder / BALLAST / "bytes"
    os.truncate(ballast, ballast.stat().st_size - int(mebibytes * MEBIBYTE))


def files_on(disk: Disk) -> set[Path]:
    return {path for path in disk.folder.rglob("*") if path.is_file() and BALLAST not in path.parts}


@pytest.mark.parametrize("room", [0, 1, 4], ids=["none", "not for the upload", "not for the store"])
async def test_a_file_that_finds_no_room_is_not_there_and_comes_when_there_is(
    cramped: Gateway, disk: Disk, room: int
) -> None:
    claim = await attacked(cramped, 0.1)
    path, before = f"/jobs/{claim.job}/artifacts", files_on(disk)
    listed = (await cramped.user.get(path)).json()
    leave(disk, room)
    answer = await cramped.user.put(f"{path}/picture", content=PICTURE)
    assert (problem_of(answer).code, answer.status_code) == ("store_full", 507)
    assert re.fullmatch(r"(the gateway has )?no room (is )?left .*", answer.json()["detail"])
    assert (await cramped.user.get(path)).json() == listed
    assert files_on(disk) == before
    disk.empty()
    assert (await cramped.user.put(f"{path}/picture", content=PICTURE)).status_code == 200
    assert (await cramped.user.get(f"{path}/picture")).content == PICTURE


@pytest.mark.parametrize("lacking", ["bytes", "files"])
async def test_health_says_that_the_store_is_full_before_anybody_is_refused(
    start_gateway: Start, another_database: str, tmp_path: Path, until: Any, lacking: str
) -> None:
    disk = Disk(tmp_path / "wide", mebibytes=64, files=200 if lacking == "files" else 0)
    if not disk.mounted:
        pytest.skip("only who may mount has a small disk to fill")
    try:
        async with start_gateway(database_url=another_database, store_dir=disk.folder / "store") as gateway:

            async def says(status: str, *, full: bool) -> bool:
                answer = await gateway.nobody.get(f"{gateway.url}/health")
                said = answer.json()
                assert answer.status_code == 200, "it is no reason to start a gateway anew"
                assert said["store"], "what is there can be had"
                return (said["status"], said["store_full"]) == (status, full)

            await until(lambda: says("ok", full=False))
            if lacking == "files":
                disk.fill()
                os.truncate(disk.folder / BALLAST / "bytes", 0)
            else:
                leave(disk, 8)
            await until(lambda: says("degraded", full=True))
            disk.empty()
            await until(lambda: says("ok", full=False))
    finally:
        disk.close()


@pytest.mark.parametrize("room", [1, 4, 7], ids=["upload", "entry", "store"])
async def test_a_bundle_that_finds_no_room_on_its_way_in_leaves_nothing(
    gateway: Gateway, cramped: Gateway, disk: Disk, room: int
) -> None:
    await introduce(gateway)
    claim = await attacked(gateway, 0.1)
    await gateway.user.put(f"/jobs/{claim.job}/artifacts/picture", content=PICTURE)
    bundle, before = await export(gateway), files_on(disk)
    leave(disk, room)
    answer = await bring(cramped, bundle)
    assert (problem_of(answer).code, answer.status_code) == ("store_full", 507), answer.text
    assert await nothing_is_there(cramped)
    # An archive stays under its digest, as one that was uploaded and not used.
    assert {path for path in files_on(disk) - before if "archives" not in path.parts} == set()
    disk.empty()
    assert (await bring(cramped, bundle)).json()["imported"] == 1
    picture = await cramped.user.get(f"/jobs/{claim.job}/artifacts/picture")
    assert picture.content == PICTURE


@pytest.mark.parametrize("path", ["/experiments/digits/bundle", "/experiments/digits/results?format=parquet"])
async def test_what_finds_no_room_on_its_way_out_says_so(cramped: Gateway, disk: Disk, path: str) -> None:
    await attacked(cramped, 0.1)
    leave(disk, 0)
    answer = await cramped.user.get(path)
    assert (problem_of(answer).code, answer.status_code) == ("store_full", 507), answer.text
    assert (await cramped.user.get("/experiments/digits/results")).json()["items"], (
        "what needs no room is had"
    )
    disk.empty()
    assert (await cramped.user.get(path)).status_code == 200
