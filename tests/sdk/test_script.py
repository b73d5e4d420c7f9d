"""What a script tells of itself reaches its supervisor at once, and never costs the script anything."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tiltyard
from tiltyard.script import _Wire


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A supervisor's socket."""
    wire = _Wire()
    monkeypatch.setattr("tiltyard.script._wire", wire)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(10)
        monkeypatch.setenv("TILTYARD_SOCKET", str(path))
        yield server
        wire._drop()


@contextmanager
def lines(server: socket.socket) -> Iterator[Callable[[], dict[str, Any]]]:
    """The lines of the next connection."""
    connection, _ = server.accept()
    with connection, connection.makefile() as file:
        yield lambda: json.loads(file.readline())


def test_each_call_is_a_line_on_the_socket(listening: socket.socket) -> None:
    tiltyard.progress(1, 10, "counting")
    with lines(listening) as line:
        assert line() == {"kind": "progress", "data": {"done": 1, "total": 10, "note": "counting"}}
        tiltyard.metric("loss", 0.5, step=3)
        assert line() == {"kind": "metric", "data": {"name": "loss", "value": 0.5, "step": 3}}
        tiltyard.metric("loss", float("nan"))
        assert line()["data"]["value"] == "NaN"
        tiltyard.artifact("plot.png")
        assert line() == {"kind": "artifact", "data": {"path": str(Path.cwd() / "plot.png")}}


def test_scalars_of_numpy_are_numbers(listening: socket.socket) -> None:
    numpy = pytest.importorskip("numpy")
    tiltyard.metric("accuracy", numpy.float32(0.5), step=numpy.int64(2))
    with lines(listening) as line:
        assert line()["data"] == {"name": "accuracy", "value": 0.5, "step": 2}
        tiltyard.progress(numpy.int64(3), numpy.int64(4))
        assert (line()["data"]["done"], 4) == (3, 4)


def test_outside_a_job_the_calls_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILTYARD_SOCKET", raising=False)
    tiltyard.progress(1, 2)
    tiltyard.metric("loss", 1)
    tiltyard.artifact("nothing")


def test_a_supervisor_that_is_gone_is_no_error(listening: socket.socket) -> None:
    tiltyard.progress(1)
    with lines(listening) as line:
        line()
    listening.close()
    for _ in range(3):
        tiltyard.progress(2)


def test_a_supervisor_that_does_not_read_costs_a_moment_and_not_a_job(listening: socket.socket) -> None:
    began = time.monotonic()
    for _ in range(2_000):
        tiltyard.progress(1, note="x" * 1_000)
    assert time.monotonic() - began < 5


def test_a_forked_child_speaks_on_a_connection_of_its_own(listening: socket.socket) -> None:
    tiltyard.progress(1)
    with lines(listening) as parent:
        parent()
        child = os.fork()
        if child == 0:
            tiltyard.progress(2)
            os._exit(0)
        os.waitpid(child, 0)
        with lines(listening) as line:
            assert line()["data"]["done"] == 2
        tiltyard.progress(3)
        assert parent()["data"]["done"] == 3


@pytest.mark.parametrize(
    ("statement", "never"),
    [
        ("import tiltyard; tiltyard.metric", {"httpx", "typer", "pydantic", "websockets", "asyncio", "yaml"}),
        (
            "import tiltyard.cli",
            {"httpx", "pydantic", "websockets", "rich", "fastapi", "sqlalchemy", "celery"},
        ),
        ("import tiltyard.cli.jobs", {"fastapi", "sqlalchemy", "celery", "mlflow", "tiltyard_orchestrator"}),
    ],
)
def test_an_import_brings_no_more_than_it_needs(statement: str, never: set[str]) -> None:
    seen = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert never & set(seen.stdout.split()) == set()
