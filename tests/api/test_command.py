"""`tiltyard gateway` as a process: how it starts, what it says when it cannot, and how it stops."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.api.conftest import PROJECT, USER, Cable, packed
from tests.servers import PATIENCE, free_port, wait_for
from tiltyard_api.serving.serve import listen

TILTYARD = str(Path(sys.executable).parent / "tiltyard")


@pytest.fixture
def environment(database_url: str, broker_url: str, tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TILTYARD_")}
    return clean | {
        "TILTYARD_DATABASE_URL": database_url.replace("+asyncpg", ""),
        "TILTYARD_BROKER_URL": broker_url,
        "TILTYARD_STORE_DIR": str(tmp_path / "store"),
        "TILTYARD_BOOTSTRAP_TOKEN": USER,
    }


def started(environment: dict[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen([TILTYARD, "gateway", "--port", str(port)], env=environment, stderr=out)


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    process = started(environment, port, log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers)
        yield process, url
    finally:
        process.kill()
        process.wait()


def refused(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [TILTYARD, "gateway", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr


async def in_database(database_url: str, statement: str) -> None:
    url = make_url(database_url)
    connection = await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )
    await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_good_bye_to_its_streams_and_ends_well(
    environment: dict[str, str], tmp_path: Path, stop: signal.Signals
) -> None:
    with running(environment, tmp_path / "log") as (process, url):
        headers = {"Authorization": f"Bearer {USER}"}
        with httpx.Client(
            base_url=f"{url}/api/v1", headers=headers, timeout=PATIENCE, trust_env=False
        ) as http:
            archive = http.post("/archives", content=packed(MLproject=PROJECT)).json()["sha256"]
            job = http.post("/jobs", json={"experiment": "e", "archive": archive}).json()["id"]
        socket_url = f"ws{url.removeprefix('http')}/api/v1/jobs/{job}/events"
        with connect(socket_url, additional_headers=headers, proxy=None) as stream:
            assert json.loads(stream.recv())["seq"] == 0
            process.send_signal(stop)
            with pytest.raises(ConnectionClosed) as closed:
                stream.recv(timeout=PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert list((tmp_path / "store" / ".uploads").iterdir()) == []


def test_a_database_that_was_not_migrated_is_told_in_one_line(
    environment: dict[str, str], database_url: str
) -> None:
    asyncio.run(in_database(database_url, "DROP TABLE alembic_version"))
    code, said = refused(environment)
    assert (code, len(said.splitlines())) == (1, 1)
    assert "tiltyard db upgrade" in said


@pytest.mark.parametrize("url", ["mysql://tiltyard@host/tiltyard", "nonsense"])
def test_a_database_of_another_kind_is_told_in_one_line_by_the_operator_s_commands(
    environment: dict[str, str], url: str
) -> None:
    command = [TILTYARD, "db", "version"]
    given = environment | {"TILTYARD_DATABASE_URL": url}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "TILTYARD_DATABASE_URL: write it as postgresql://" in done.stderr


def test_it_says_where_it_listens_once_it_answers(environment: dict[str, str], tmp_path: Path) -> None:
    with running(environment, tmp_path / "log") as (_, url):
        port = url.rsplit(":", 1)[1]
        wait_for(lambda: f"event='listening' host='127.0.0.1' port={port}" in (tmp_path / "log").read_text())


def test_data_of_a_newer_program_is_told_in_one_line(environment: dict[str, str], database_url: str) -> None:
    asyncio.run(in_database(database_url, "UPDATE alembic_version SET version_num = '9999'"))
    code, said = refused(environment)
    assert (code, len(said.splitlines())) == (1, 1)
    assert "newer" in said


def test_a_database_that_can_never_be_used_is_told_at_once(
    environment: dict[str, str], database_url: str
) -> None:
    host = database_url.partition("@")[2].partition("/")[0]
    url = f"postgresql://nobody@{host}/nonesuch-of-the-tests"
    code, said = refused(environment | {"TILTYARD_DATABASE_URL": url})
    assert (code, len(said.splitlines())) == (1, 1)
    assert "TILTYARD_DATABASE_URL" in said


def test_a_port_that_is_taken_is_told_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with running(environment, tmp_path / "log") as (_, url):
        port = url.rsplit(":", 1)[1]
        code, said = refused(environment, "--port", port)
    assert (code, len(said.splitlines())) == (1, 1)
    assert port in said


def test_a_store_that_cannot_be_written_is_told_in_one_line(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, said = refused(environment | {"TILTYARD_STORE_DIR": str(tmp_path / "file" / "store")})
    assert (code, len(said.splitlines())) == (1, 1)
    assert "store" in said


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"TILTYARD_BROKER_URL": None}, "TILTYARD_BROKER_URL"),
        ({"TILTYARD_S3_ENDPOINT": "http://x"}, "TILTYARD_S3_ENDPOINT"),
        ({"TILTYARD_LEASE_SECONDS": "soon"}, "TILTYARD_LEASE_SECONDS"),
        ({"TILTYARD_DATABASE_URL": "nonsense"}, "TILTYARD_DATABASE_URL: write it as postgresql://"),
        ({"TILTYARD_BROKER_URL": "http://broker"}, "TILTYARD_BROKER_URL: it begins with amqp:// or"),
        (
            {"TILTYARD_MLFLOW_URL": "mlflow:5000"},
            "TILTYARD_MLFLOW_URL: it begins with http:// or https:// or unix:/",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    environment: dict[str, str], changes: dict[str, str | None], named: str
) -> None:
    changed = {name: value for name, value in (environment | changes).items() if value is not None}
    code, said = refused(changed)
    assert code == 2
    assert named in said
    assert "Traceback" not in said


async def test_a_database_that_comes_late_is_waited_for(
    environment: dict[str, str], cable: Cable, tmp_path: Path, until: Callable[..., Awaitable[None]]
) -> None:
    await cable.cut()
    late = environment | {"TILTYARD_DATABASE_URL": cable.url}
    port = free_port()
    process = started(late, port, tmp_path / "log")
    try:
        await until(lambda: b"database_away" in (tmp_path / "log").read_bytes())
        await cable.mend()
        async with httpx.AsyncClient(trust_env=False) as http:

            async def well() -> bool:
                try:
                    return (await http.get(f"http://127.0.0.1:{port}/health")).is_success
                except httpx.TransportError:
                    return False

            await until(well)
    finally:
        process.kill()
        process.wait()


def test_an_answer_on_a_kept_connection_does_not_wait_for_an_acknowledgement() -> None:
    listening = listen("127.0.0.1", 0)
    assert not isinstance(listening, str)
    with listening:
        assert listening.proto == socket.IPPROTO_TCP, "asyncio turns Nagle's algorithm off for these alone"


def test_the_gateway_loads_neither_mlflow_nor_prefect_nor_a_plugin() -> None:
    code = (
        "import sys, tiltyard_api.serving.serve; print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"mlflow", "prefect", "tiltyard_plugins", "tiltyard_workers", "sklearn"} & set(
        json.loads(loaded.replace("'", '"'))
    )
