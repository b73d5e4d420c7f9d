"""A gateway on a real PostgreSQL, a real broker and a real port, served on the test's own event loop."""

import asyncio
import contextlib
import io
import json
import secrets
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy.engine import URL, make_url
from websockets.asyncio.client import ClientConnection, connect

from tests.api.mlflow import mlflow_server
from tests.conftest import administer
from tests.servers import free_port, valkey
from tiltyard.wire import Claim, Job
from tiltyard_api.app import create_app
from tiltyard_api.parts import Pace, Parts
from tiltyard_api.serving.serve import listen
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.access.tokens import new_token

USER, WORKER = "ty_user-of-the-tests", "tyw_worker-of-the-tests"
PROJECT = """
name: probe
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
    command: python attack.py --eps {eps}
"""


def packed(**files: str) -> bytes:
    """A tar.gz; `__` in a name stands for a slash."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return out.getvalue()


def log_of(text: str) -> dict[str, Any]:
    """An event as an attempt reports it."""
    return {"at": "2026-01-31T12:00:00Z", "kind": "log", "data": {"stream": "stdout", "text": text}}


@dataclass
class Gateway:
    """A running gateway, and what its callers do."""

    url: str
    parts: Parts
    user: httpx.AsyncClient
    worker: httpx.AsyncClient
    nobody: httpx.AsyncClient
    reported: dict[str, int] = field(default_factory=dict)

    async def upload(self, body: bytes | None = None) -> str:
        answer = await self.user.post("/archives", content=body or packed(MLproject=PROJECT))
        assert answer.is_success, answer.text
        return str(answer.json()["sha256"])

    async def submit(self, **changes: Any) -> Job:
        archive = changes.pop("archive", None) or await self.upload()
        asked = {"experiment": "digits", "archive": archive} | changes
        answer = await self.user.post("/jobs", json=asked)
        assert answer.status_code == 201, answer.text
        return Job.model_validate_json(answer.content)

    async def claim(self, job: str) -> Claim:
        """Take this job; those whose turn is before it are given back."""
        before: list[Claim] = []
        while not before or before[-1].job != job:
            asked = {"worker": "w1", "token": new_token("tya")}
            answer = await self.worker.post("/queues/cpu/claim", json=asked)
            assert answer.is_success, answer.text
            before.append(Claim.model_validate_json(answer.content))
        for other in before[:-1]:
            await self.attempt(other, "release")
        return before[-1]

    async def running(self, **changes: Any) -> Claim:
        return await self.claim((await self.submit(**changes)).id)

    async def attempt(self, claim: Claim, call: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {claim.token}"}
        path = f"/attempts/{claim.job}/{claim.epoch}/{call}"
        return await self.nobody.post(path, json=body, headers=headers)

    async def report(self, claim: Claim, *events: dict[str, Any]) -> None:
        first = self.reported.get(claim.token, 0)
        self.reported[claim.token] = first + len(events)
        answer = await self.attempt(claim, "report", {"first": first, "events": events})
        assert answer.is_success, answer.text

    async def finish(self, claim: Claim, **changes: Any) -> None:
        body = {"first": self.reported.get(claim.token, 0), "state": "succeeded"} | changes
        answer = await self.attempt(claim, "finish", body)
        assert answer.is_success, answer.text

    async def put(self, claim: Claim, path: str, body: bytes, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {claim.token}"} | headers
        return await self.nobody.put(
            f"/attempts/{claim.job}/{claim.epoch}/artifacts/{path}", content=body, headers=headers
        )

    def socket(self, path: str, token: str | None = USER, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        url = f"ws{self.url.removeprefix('http')}/api/v1{path}"
        return connect(url, additional_headers=headers, compression=None, proxy=None, max_size=None, **more)


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return contextlib.nullcontext()


Start = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow, past any gateway."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def start_gateway(database_url: str, broker_url: str, tmp_path: Path) -> Start:
    """Start a gateway: `async with start_gateway(pace=Pace(poll=0.1)) as gateway`."""

    @asynccontextmanager
    async def start(pace: Pace | None = None, **changes: Any) -> AsyncIterator[Gateway]:
        given = {
            "database_url": database_url,
            "broker_url": broker_url,
            "store_dir": tmp_path / "store",
            "bootstrap_token": USER,
            "worker_token": WORKER,
        }
        app = create_app(Settings(**given | changes), pace)
        config = uvicorn.Config(
            app, ws="websockets-sansio", ws_per_message_deflate=False, log_config=None, access_log=False,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = _Server(config)
        listening = listen("127.0.0.1", 0)
        assert not isinstance(listening, str)
        with listening:
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            while not server.started:
                assert not serving.done(), "the gateway did not start"
                await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with contextlib.AsyncExitStack() as stack:
                clients = []
                for token in (USER, WORKER, None):
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    client = httpx.AsyncClient(
                        base_url=f"{url}/api/v1", headers=headers, timeout=70, trust_env=False
                    )
                    clients.append(await stack.enter_async_context(client))
                yield Gateway(url, app.state.parts, *clients)
            app.state.parts.draining.set()
            server.should_exit = True
            await serving

    return start


@pytest.fixture
async def gateway(start_gateway: Start) -> AsyncIterator[Gateway]:
    """A gateway whose streams look by themselves every 0.3 s."""
    async with start_gateway(Pace(poll=0.3, send=2, farewell=5, patience=20)) as running:
        yield running


class Cable:
    """The line between a gateway and its database, to be cut."""

    def __init__(self, database_url: str) -> None:
        self._to = make_url(database_url)
        self._lines: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = free_port()
        self.url = self._to.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in tuple(self._lines):
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(self._to.host, self._to.port or 5432)
        self._lines |= {writer, forth}
        await asyncio.gather(self._copy(reader, forth), self._copy(back, writer))
        self._lines -= {writer, forth}

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


@pytest.fixture
async def cable(database_url: str) -> AsyncIterator[Cable]:
    """A line to a migrated database."""
    line = Cable(database_url)
    await line.mend()
    yield line
    await line.cut()


@pytest.fixture
def another_database(postgres_server: URL, template_database: str) -> Iterator[str]:
    """A second testbed's database."""
    name = f"{template_database}_{secrets.token_hex(4)}"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    yield postgres_server.set(database=name).render_as_string(hide_password=False)
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture
async def elsewhere(start_gateway: Start, another_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """Another testbed."""
    async with start_gateway(database_url=another_database, store_dir=tmp_path / "elsewhere") as running:
        yield running


async def frames_of(stream: ClientConnection) -> list[dict[str, Any]]:
    """Every frame until the socket closes."""
    return [json.loads(frame) async for frame in stream]
