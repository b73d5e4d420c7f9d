"""A real MLflow server for tests, started once for all of them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers import free_port, stop, wait_for

QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """MLflow's own server; the one that TILTYARD_TEST_MLFLOW_URL names where it is set."""
    if given := os.environ.get("TILTYARD_TEST_MLFLOW_URL"):
        yield given
        return
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts", "--artifacts-destination", str(folder),
    ]  # fmt: skip
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | QUIET, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _healthy(url), seconds=120)
        yield url
    finally:
        stop(process)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False
