"""Reading uploads: what an upload does to its reader it does to nobody else, and whoever sent it is told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.api.conftest import PROJECT, USER, Gateway, Start, packed
from tests.api.plugins import TASK, a_plugin, send
from tests.api.test_command import environment, running
from tests.servers import wait_for
from tiltyard.plugins import canonical
from tiltyard_api.readers import pool
from tiltyard_api.readers.messages import Bounds
from tiltyard_api.readers.process import KEPT_NAMES
from tiltyard_api.readers.process import READER as COMMAND

__all__ = ["environment"]

Until = Callable[..., Awaitable[None]]

NESTED = "x = " + "lambda:" * 3_000 + "1\n"
"""Python's parser goes down its stack for each, and asks not whether there is room."""
LONG = "a;" * 80_000
"""Takes a second, and is within every limit."""
SMALL_STACK = ("/bin/sh", "-c", 'ulimit -s 512; exec "$0" "$@"', *COMMAND)
HEAVY = canonical({
    "plugin.toml": b'name = "mine"\nversion = "1"\n',
    "mine/attacks.py": TASK.encode(),
    "mine/weights.bin": bytes(60 << 20),
})  # fmt: skip
NAMING = packed(MLproject=PROJECT, **{"deep.py": NESTED + "tiltyard.plugin('a.b.c')\n"})
READER = "tiltyard_api.readers.reader"
LIAR = """
import struct, sys

def say(chunk):
    sys.stdout.buffer.write(struct.pack(">I", len(chunk)) + chunk)
    sys.stdout.buffer.flush()

say(b"ready")
sys.stdin.buffer.read(*struct.unpack(">I", sys.stdin.buffer.read(4)))
say(sys.argv[1].encode())
sys.stdout.buffer.write(struct.pack(">Ii", 0, 0))
sys.stdout.buffer.flush()
sys.stdin.read()
"""
"""A reader that was taken over: it answers what it likes."""
A_PLUGIN = {
    "kind": "plugin", "name": "mine", "version": "1", "description": "", "requires": [], "files": 1,
    "tasks": [], "artifact_types": [],
}  # fmt: skip
LINUX = sys.platform.startswith("linux")


def readers(of: int | None = None) -> list[psutil.Process]:
    """The readers below a process, this one where none is named; not the children that they have read."""
    return [one for one in psutil.Process(of).children() if READER in " ".join(one.cmdline())]


@pytest.fixture
async def stopped(gateway: Gateway) -> AsyncIterator[psutil.Process]:
    """The gateway's one reader, warm, which answers nothing until it goes on."""
    assert (await send(gateway, a_plugin("first"))).status_code == 201
    [reader] = readers()
    reader.suspend()
    yield reader
    with suppress(psutil.NoSuchProcess):
        reader.resume()


async def unread(gateway: Gateway, path: str, body: bytes) -> str:
    """Why an upload could not be read."""
    answer = await gateway.user.post(path, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable"), answer.text
    [item] = answer.json()["errors"]
    assert (item["pointer"], item["code"], item["detail"]) == ("", "unreadable", answer.json()["detail"])
    assert list(gateway.parts.spool.iterdir()) == []
    return str(item["detail"])


async def changed(gateway: Gateway, *command: str) -> None:
    """Give a gateway other readers."""
    await gateway.parts.readers.close()
    gateway.parts.readers.command = command


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [("/plugins", a_plugin(**{"mine__deep.py": NESTED}), "plugin"), ("/archives", NAMING, "archive")],
)
async def test_source_that_ends_its_interpreter_ends_no_gateway(
    gateway: Gateway, path: str, body: bytes, what: str
) -> None:
    await changed(gateway, *SMALL_STACK)
    assert await unread(gateway, path, body) == (
        f"the {what} could not be read: it ended its reader (signal {signal.SIGSEGV:d})"
    )
    before = readers()
    assert (await send(gateway, a_plugin())).status_code == 201
    assert readers() == before, "a child read it: the reader itself lives on"


async def test_what_takes_too_long_is_refused_by_its_time(gateway: Gateway) -> None:
    gateway.parts.readers.plugins = Bounds(seconds=0.1, mebibytes=1024)
    long = a_plugin(**{f"mine__part{number}.py": LONG for number in range(2)})
    assert await unread(gateway, "/plugins", long) == (
        "the plugin could not be read: reading it took more than 0.1 s"
    )
    gateway.parts.readers.plugins = pool.PLUGINS
    assert (await send(gateway, long)).status_code == 201


@pytest.mark.skipif(not LINUX, reason="only Linux holds a process to its memory")
async def test_what_takes_too_much_memory_is_refused_by_its_memory(gateway: Gateway) -> None:
    gateway.parts.readers.plugins = Bounds(seconds=60, mebibytes=128)
    assert await unread(gateway, "/plugins", HEAVY) == (
        "the plugin could not be read: reading it took more memory than 128 MiB"
    )
    gateway.parts.readers.plugins = pool.PLUGINS
    assert (await send(gateway, HEAVY)).status_code == 201


async def test_while_one_upload_is_read_everybody_else_is_answered(
    gateway: Gateway, stopped: psutil.Process, until: Until
) -> None:
    slow = asyncio.create_task(send(gateway, a_plugin()))
    await until(lambda: list(gateway.parts.spool.iterdir()))
    assert (await gateway.user.get("/plugins")).status_code == 200
    assert (await gateway.user.post("/archives", content=packed(MLproject=PROJECT))).status_code == 201
    assert not slow.done()
    stopped.resume()
    assert (await slow).status_code == 201


async def test_more_uploads_than_can_be_read_soon_are_asked_to_come_again(
    gateway: Gateway, stopped: psutil.Process, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(pool, "MOST_WAITING", 1)
    slow = asyncio.create_task(send(gateway, a_plugin()))
    await until(lambda: list(gateway.parts.spool.iterdir()))
    answer = await send(gateway, a_plugin(version="2"))
    assert (answer.status_code, answer.json()["code"]) == (503, "busy_reading")
    assert int(answer.headers["Retry-After"]) > 0
    stopped.resume()
    assert (await slow).status_code == 201
    assert (await send(gateway, a_plugin(version="2"))).status_code == 201


@pytest.mark.parametrize("at_work", [False, True])
async def test_a_reader_that_is_killed_is_replaced_and_no_upload_is_the_worse_for_it(
    gateway: Gateway, stopped: psutil.Process, at_work: bool, until: Until
) -> None:
    if not at_work:
        stopped.kill()
    upload = asyncio.create_task(send(gateway, a_plugin()))
    if at_work:
        await until(lambda: list(gateway.parts.spool.iterdir()))
        stopped.kill()
    assert (await upload).status_code == 201
    assert stopped not in readers()


async def test_a_client_that_leaves_while_its_upload_is_read_leaves_nothing(
    gateway: Gateway, stopped: psutil.Process, until: Until
) -> None:
    body = a_plugin()
    _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
    head = f"POST /api/v1/plugins HTTP/1.1\r\nHost: x\r\nAuthorization: {gateway.user.headers['authorization']}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    await until(lambda: any(path.stat().st_size == len(body) for path in gateway.parts.spool.iterdir()))
    writer.transport.abort()
    stopped.resume()
    await until(lambda: not list(gateway.parts.spool.iterdir()))
    assert (await send(gateway, a_plugin(version="2"))).status_code == 201
    assert readers() == [stopped]


@pytest.mark.parametrize("command", [["/nowhere/at/all"], [sys.executable, "-c", ""]])
async def test_without_a_reader_an_upload_is_asked_to_come_again(
    gateway: Gateway, command: list[str]
) -> None:
    await changed(gateway, *command)
    answer = await send(gateway, a_plugin())
    assert (answer.status_code, answer.json()["code"]) == (503, "reader_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "answer",
    [
        "no answer at all",
        json.dumps(A_PLUGIN | {"name": "mine; curl"}),
        json.dumps(A_PLUGIN | {"more": 1}),
        json.dumps({"kind": "draft", "document": "", "texts": {}}),
    ],
)
async def test_a_reader_is_not_believed_what_it_cannot_have_read(gateway: Gateway, answer: str) -> None:
    await changed(gateway, sys.executable, "-c", LIAR, answer)
    assert await unread(gateway, "/plugins", a_plugin()) == (
        "the plugin could not be read: its reader gave no answer that can be understood"
    )


@pytest.fixture
def by_python_path(tmp_path: Path) -> list[str]:
    """The reader's command of a gateway whose packages are on `PYTHONPATH` alone."""
    venv.create(tmp_path / "bare", with_pip=False)
    tell = "from tiltyard_api.readers.process import READER; import json; print(json.dumps(READER))"
    elsewhere = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    python = tmp_path / "bare/bin/python"
    told = subprocess.run([python, "-c", tell], env=elsewhere, capture_output=True, check=True)
    return [str(part) for part in json.loads(told.stdout)]


async def test_a_reader_imports_from_where_its_gateway_does(
    gateway: Gateway, by_python_path: list[str]
) -> None:
    await changed(gateway, *by_python_path)
    assert (await send(gateway, a_plugin())).status_code == 201


async def test_uploads_are_found_below_a_store_that_is_named_from_here(
    start_gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with start_gateway(store_dir=Path("store")) as gateway:
        assert (await send(gateway, a_plugin())).status_code == 201
        await gateway.upload()


async def test_a_reader_has_no_secret_and_no_connection_of_the_gateway(
    start_gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILTYARD_S3_SECRET_KEY", "of the gateway")
    async with start_gateway() as gateway:
        assert (await send(gateway, a_plugin())).status_code == 201
        [reader] = readers()
        assert set(reader.environ()) <= {*KEPT_NAMES, "__CF_USER_TEXT_ENCODING"}
        assert reader.net_connections() == []
        assert reader.cwd() == "/"
    assert readers() == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_reader_outlives_its_gateway_nor_what_it_reads(
    environment: dict[str, str], tmp_path: Path, end: signal.Signals
) -> None:
    long = a_plugin(**{f"mine__part{number}.py": LONG for number in range(2)})
    headers = {"Authorization": f"Bearer {USER}"}
    with running(environment, tmp_path / "log") as (process, url), ThreadPoolExecutor() as pool:
        [reader] = readers(process.pid)
        upload = pool.submit(httpx.post, f"{url}/api/v1/plugins", content=long, headers=headers, timeout=60)
        wait_for(reader.children)
        [child] = reader.children()
        child.suspend()
        process.send_signal(end)
        wait_for(lambda: not reader.is_running() and not child.is_running())
        process.wait()
        assert isinstance(upload.exception(), httpx.TransportError) or upload.result().status_code >= 500


def test_a_reader_says_nothing_when_its_gateway_ends(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(environment, log) as (process, _):
        before = log.read_text()
        process.terminate()
        assert process.wait(20) == 0
    assert log.read_text() == before
