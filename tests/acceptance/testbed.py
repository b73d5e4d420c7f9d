"""The whole testbed as processes, started the two ways a user starts it; the same tests judge both."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from tests.servers import (
    S3_ENVIRONMENT,
    answers,
    free_port,
    rabbitmq_vhost,
    s3_on,
    stop,
    wait_for,
)

TILTYARD = str(Path(sys.executable).parent / "tiltyard")
QUICK = {
    "TILTYARD_LEASE_SECONDS": "4",
    "TILTYARD_RENEW_SECONDS": "1",
    "TILTYARD_RESEND_SECONDS": "3",
    "TILTYARD_EXPIRE_EVERY": "0.5",
}
"""The protocol's clocks, scaled so that a test need not wait for a minute's lease."""


@dataclass
class Testbed:
    """A running testbed and the command line to use it with."""

    __test__ = False

    ring: str
    url: str
    token: str
    home: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    mlflow_url: str | None = None
    """Where a user finds MLflow: behind the gateway."""
    restart: dict[str, Callable[[], None]] = field(default_factory=dict)
    """How to start a part again that a test killed; the embedded testbed restarts its own."""

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell holds: where the testbed is, and nothing of its insides."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("TILTYARD_", "MLFLOW_"))
        }
        here = {"TILTYARD_URL": self.url, "TILTYARD_TOKEN": self.token, "XDG_CONFIG_HOME": str(self.home)}
        return clean | here | {"COLUMNS": "200"}

    def run(
        self, *arguments: str, code: int | None = 0, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line, and hold it to its exit code."""
        done = subprocess.run(
            [TILTYARD, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = f"tiltyard {' '.join(arguments)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, said
        return done

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """Run a command with --json and read its answer."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def job(self, job: str) -> dict[str, Any]:
        """A job as REST shows it."""
        with self.http() as http:
            return dict(http.get(f"/jobs/{job}").raise_for_status().json())

    def http(self) -> httpx.Client:
        """Plain HTTP, authorised."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def until_state(self, job: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a job to be in one of these states."""
        wait_for(lambda: self.job(job)["state"] in states, seconds=seconds)
        return self.job(job)


def start(command: list[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to a file."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("TILTYARD_", "MLFLOW_"))
    }
    stream: IO[bytes]
    with log.open("ab") as stream:
        return subprocess.Popen(
            command, env=clean | environment, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL
        )


@contextmanager
def embedded(folder: Path, *, mlflow: bool = True, options: Sequence[str] = ()) -> Iterator[Testbed]:
    """`tiltyard up` on an empty data directory; again on the same directory it goes on where it was."""
    home = folder / "config"
    home.mkdir(exist_ok=True)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("TILTYARD_", "MLFLOW_"))
    }
    command = [TILTYARD, "up", "--json", "--data", str(folder / "data"), "--port", str(free_port()), *options]
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=clean | QUICK | {"XDG_CONFIG_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"`tiltyard up` ended with {process.wait()}:\n{(folder / 'up.log').read_text()[-4000:]}"
        ready = json.loads(line)
        testbed = Testbed(
            ring="embedded", url=ready["url"], token=ready["token"], home=home, mlflow_url=ready["mlflow_url"]
        )
        testbed.processes["up"] = process
        if mlflow and testbed.mlflow_url:
            wait_for(lambda: reachable(f"{testbed.mlflow_url}/health", testbed.token), seconds=90)
        yield testbed
    finally:
        if process.poll() is None:
            stop(process)
        process.stdout.close()


def reachable(url: str, token: str = "") -> bool:
    """Whether a server answers well."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.get(url, headers=headers, timeout=2).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def site(folder: Path, database_url: str, *, broker: str | None = None) -> Iterator[Testbed]:
    """Gateway and worker as separate processes on a PostgreSQL, a RabbitMQ and an S3 server given by settings."""
    home = folder / "config"
    home.mkdir(exist_ok=True)
    with ExitStack() as stack:
        broker = broker or stack.enter_context(rabbitmq_vhost())
        port, mlflow_port, store_port = free_port(), free_port(), free_port()
        store_settings, store_command = s3_on(_made(folder / "s3"), store_port)
        mlflow_url = f"http://127.0.0.1:{mlflow_port}"
        gateway_settings = (
            QUICK
            | store_settings
            | {
                "TILTYARD_DATABASE_URL": database_url,
                "TILTYARD_BROKER_URL": broker,
                "TILTYARD_MLFLOW_URL": mlflow_url,
                "TILTYARD_BOOTSTRAP_TOKEN": "ty_for-the-acceptance-tests-of-a-site",
                "TILTYARD_WORKER_TOKEN": "tyw_for-the-workers-of-the-acceptance-tests",
            }
        )
        worker_settings = {
            "TILTYARD_URL": f"http://127.0.0.1:{port}",
            "TILTYARD_WORKER_TOKEN": gateway_settings["TILTYARD_WORKER_TOKEN"],
            "TILTYARD_BROKER_URL": broker,
            "TILTYARD_SCRATCH": str(_made(folder / "scratch")),
        }
        testbed = Testbed(
            ring="site",
            url=f"http://127.0.0.1:{port}",
            token=gateway_settings["TILTYARD_BOOTSTRAP_TOKEN"],
            home=home,
            mlflow_url=f"http://127.0.0.1:{port}/mlflow",
        )
        subprocess.run(
            [TILTYARD, "db", "upgrade"], env=os.environ | gateway_settings, check=True, capture_output=True
        )
        stack.callback(lambda: [stop(process) for process in testbed.processes.values()])

        def gateway() -> None:
            command = [TILTYARD, "gateway", "--port", str(port)]
            testbed.processes["gateway"] = start(command, folder / "gateway.log", **gateway_settings)

        def worker() -> None:
            command = [TILTYARD, "worker", "--queue", "cpu"]
            testbed.processes["worker"] = start(command, folder / "worker.log", **worker_settings)

        def mlflow() -> None:
            testbed.processes["mlflow"] = start(
                _mlflow_server(folder, mlflow_port),
                folder / "mlflow.log",
                MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
                MLFLOW_DISABLE_TELEMETRY="true",
                DO_NOT_TRACK="true",
            )

        def store() -> None:
            log = folder / "store.log"
            testbed.processes["store"] = start(store_command, log, **S3_ENVIRONMENT)
            wait_for(lambda: answers(store_port))

        testbed.restart = {"gateway": gateway, "worker": worker, "mlflow": mlflow, "store": store}
        store()
        gateway()
        worker()
        mlflow()
        wait_for(lambda: reachable(f"{testbed.url}/health"))
        wait_for(lambda: any(one["state"] == "idle" for one in _workers(testbed)))
        wait_for(lambda: reachable(f"{mlflow_url}/health"), seconds=90)
        yield testbed


def _workers(testbed: Testbed) -> list[dict[str, Any]]:
    with testbed.http() as http:
        return list(http.get("/workers").raise_for_status().json()["items"])


def _mlflow_server(folder: Path, port: int) -> list[str]:
    mlflow = str(Path(sys.executable).parent / "mlflow")
    return [
        mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--serve-artifacts", "--artifacts-destination", str(_made(folder / "mlflow-artifacts")),
    ]  # fmt: skip


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
