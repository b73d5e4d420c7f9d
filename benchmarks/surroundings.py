"""What a measurement needs around it: a PostgreSQL, a broker, the bare server and a gateway, each a process of its own.

The servers are those that the tests start. Nothing is left behind: processes end and databases are dropped with the block.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import httpx
from sqlalchemy.engine import make_url
from tests.servers import embedded_postgres, free_port, stop, valkey, wait_for

from tiltyard.archive import pack_directory

TILTYARD = str(Path(sys.executable).with_name("tiltyard"))
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
def scratch() -> Iterator[Path]:
    """A folder for all that a measurement writes; it goes with the block."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # where root measures, PostgreSQL runs as somebody else and has to get in
        yield folder


@contextmanager
def database(server: str | None, folder: Path) -> Iterator[str]:
    """A database of its own, on the server that is given or on the wheel's."""
    with ExitStack() as stack:
        url = make_url(server or stack.enter_context(embedded_postgres(folder / "postgres")))
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        name = f"tiltyard_bench_{secrets.token_hex(4)}"
        asyncio.run(_administer(plain, f'CREATE DATABASE "{name}"'))
        stack.callback(lambda: asyncio.run(_administer(plain, f'DROP DATABASE "{name}" WITH (FORCE)')))
        yield url.set(drivername="postgresql+asyncpg", database=name).render_as_string(hide_password=False)


@contextmanager
def bare_server(database_url: str, folder: Path) -> Iterator[str]:
    """The bare handler, ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.bare", database_url, str(port)]
    with _ready(command, f"{url}/openapi.json", folder / "bare.log"):
        yield url


@contextmanager
def gateway(database_url: str, folder: Path) -> Iterator[Gateway]:
    """A gateway with its keeper and a broker that nobody listens to: no worker competes for the machine."""
    port, token = free_port(), secrets.token_hex(16)
    url = f"http://127.0.0.1:{port}"
    with valkey() as broker_url:
        settings = {
            "TILTYARD_DATABASE_URL": database_url,
            "TILTYARD_BROKER_URL": broker_url,
            "TILTYARD_STORE_DIR": str(folder / "store"),
            "TILTYARD_BOOTSTRAP_TOKEN": token,
        }
        subprocess.run([TILTYARD, "db", "upgrade"], env=os.environ | settings, check=True, stdout=sys.stderr)
        command = [TILTYARD, "gateway", "--port", str(port)]
        with _ready(command, f"{url}/health", folder / "gateway.log", **settings):
            yield Gateway(url=url, token=token)


@contextmanager
def mlflow_server(database_url: str, folder: Path) -> Iterator[str]:
    """An MLflow tracking server in front of PostgreSQL, one process as the gateway is, ready."""
    store = make_url(database_url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", store, "--artifacts-destination", str(folder / "mlflow"),
    ]  # fmt: skip
    with _ready(command, f"{url}/health", folder / "mlflow.log", MLFLOW_DISABLE_TELEMETRY="true"):
        yield url


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
def _ready(command: list[str], health: str, log: Path, **environment: str) -> Iterator[None]:
    """A process, once its address answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)

    def answers() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} ended:\n{log.read_text()[-2000:]}")
        try:
            return httpx.get(health, timeout=2).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_for(answers, seconds=120)
        yield
    finally:
        stop(process)


async def _administer(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
