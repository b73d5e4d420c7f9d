"""The embedded testbed as a whole: which parts it has, in which order they start, and in which they stop."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx

from tiltyard.profile import profile_path
from tiltyard_orchestrator.embedded.broker import find_broker, write_configuration
from tiltyard_orchestrator.embedded.data import DataFolder, Secrets, Unusable
from tiltyard_orchestrator.embedded.part import Guardian, Part, Say
from tiltyard_orchestrator.embedded.postgres import Postgres
from tiltyard_orchestrator.storage.migrate import NewerData, upgrade
from tiltyard_orchestrator.tracking.server import Tracking

TILTYARD = (sys.executable, "-c", "import sys; from tiltyard.cli import main; sys.exit(main())")
STOP_SECONDS = 10.0
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class Testbed:
    """PostgreSQL, broker, gateway, workers and MLflow on one machine.

    Args:
        data: the data directory, held by the caller.
        port: the gateway's port.
        workers: how many `cpu` workers to start.
        mlflow: whether an MLflow server belongs to it.
        say: told what happens, a line at a time.
    """

    def __init__(self, data: DataFolder, *, port: int, workers: int, mlflow: bool, say: Say) -> None:
        self._data = data
        self._port = port
        self._workers = workers
        self._mlflow = mlflow
        self._say = say
        self._secrets: Secrets = data.secrets()
        self._parts: list[Part] = []
        self._guardian = Guardian(data.lock)
        self._http = httpx.AsyncClient(timeout=3, trust_env=False)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def mlflow_url(self) -> str | None:
        """Where MLflow is for everybody: behind the gateway."""
        return f"{self.url}/mlflow" if self._mlflow else None

    @property
    def _mlflow_behind(self) -> str:
        """Where MLflow listens, for the gateway alone: in the data directory, if a socket's path there is not too long."""
        socket = self._data.mlflow_socket
        return f"unix:{socket}" if socket else f"http://127.0.0.1:{self._secrets.mlflow_port}"

    @property
    def token(self) -> str:
        """The user's token."""
        return self._secrets.user_token

    async def start(self) -> None:
        """Start everything that a job needs; returns when a first one would run.

        Raises:
            NotReady: a part did not start.
            Unusable: the data is not this program's, or there is no way to run PostgreSQL here.
        """
        postgres, _ = await _together(self._start_postgres(), self._start_broker())
        try:
            await upgrade(postgres.url("tiltyard"))
        except NewerData as error:
            raise Unusable(str(error)) from error
        gateway = self._gateway(postgres)
        workers = [self._worker(number) for number in range(self._workers)]
        await _together(gateway.start(seconds=60), *(worker.start(seconds=60) for worker in workers))
        self._say(f"gateway is up at {self.url}")
        self._say(f"{len(workers)} cpu worker{'s are' if len(workers) != 1 else ' is'} up")
        self._postgres = postgres

    async def start_tracking(self) -> None:
        """Start MLflow, where there is to be one; jobs do not wait for it.

        Raises:
            NotReady: it did not start.
        """
        if not self._mlflow:
            return
        await self._tracking(self._postgres).start(seconds=180)
        self._say(f"MLflow is up at {self.mlflow_url}")

    async def stop(self) -> None:
        """Stop everything, in the order in which nothing misses another."""
        await self._http.aclose()
        last = [part for part in self._parts if part.name in {"postgres", "broker"}]
        first = [part for part in self._parts if part not in last]
        # Workers hand their jobs back while the gateway is there to take them.
        workers = [part for part in first if part.name.startswith("worker")]
        await asyncio.gather(*(part.stop(seconds=STOP_SECONDS * 0.6) for part in workers))
        await asyncio.gather(
            *(part.stop(seconds=STOP_SECONDS * 0.3) for part in first if part not in workers)
        )
        await asyncio.gather(*(part.stop(seconds=STOP_SECONDS * 0.3) for part in last))
        await asyncio.to_thread(self._guardian.close)

    async def _start_postgres(self) -> Postgres:
        postgres = await asyncio.to_thread(Postgres.prepare, self._data.postgres, self._secrets)
        part = self._part(
            "postgres",
            postgres.command,
            {},
            ready=postgres.answers,
            stop_signals=(signal.SIGINT,),
            user=postgres.user,
        )
        await part.start(seconds=60)
        await postgres.ensure_databases("tiltyard", "mlflow")
        self._say("PostgreSQL is up")
        return postgres

    async def _start_broker(self) -> None:
        port = self._secrets.broker_port
        configuration = self._data.root / "broker.conf"
        write_configuration(configuration, port=port, password=self._secrets.broker_password)

        async def listens() -> bool:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True

        await self._part("broker", [str(find_broker()), str(configuration)], {}, ready=listens).start(
            seconds=20
        )
        self._say("broker is up")

    def _gateway(self, postgres: Postgres) -> Part:
        environment = {
            "TILTYARD_DATABASE_URL": postgres.url("tiltyard"),
            "TILTYARD_BROKER_URL": self._broker_url,
            "TILTYARD_STORE_DIR": str(self._data.store),
            **({"TILTYARD_MLFLOW_URL": self._mlflow_behind} if self._mlflow else {}),
            "TILTYARD_BOOTSTRAP_TOKEN": self._secrets.user_token,
            "TILTYARD_WORKER_TOKEN": self._secrets.worker_token,
        }
        command = [*TILTYARD, "gateway", "--port", str(self._port)]
        return self._part("gateway", command, _chosen(*_CLOCKS) | environment, ready=self._gateway_answers)

    @property
    def worker_environment(self) -> dict[str, str]:
        """What a worker on this machine needs to know."""
        return {
            "TILTYARD_URL": self.url,
            "TILTYARD_WORKER_TOKEN": self._secrets.worker_token,
            "TILTYARD_BROKER_URL": self._broker_url,
            "TILTYARD_SCRATCH": str(self._data.scratch),
            "TILTYARD_HIDE": f"{self._data.root}:{profile_path().parent}",
            **_chosen("JOB_PROCESSES", "JOB_SCRATCH_BYTES", "JOB_SHM_BYTES"),
        }

    def _worker(self, number: int) -> Part:
        name = f"worker-{number + 1}"

        async def introduced() -> bool:
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = await self._http.get(f"{self.url}/api/v1/workers", headers=headers)
            return any(one["pid"] == part.pid for one in answer.raise_for_status().json()["items"])

        part = self._part(
            name,
            [*TILTYARD, "worker", "--queue", "cpu"],
            self.worker_environment,
            ready=introduced,
            # The second one hands a running job back.
            stop_signals=(signal.SIGTERM, signal.SIGTERM),
        )
        return part

    def _tracking(self, postgres: Postgres) -> Part:
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self._secrets.mlflow_port), "--workers", "1", "--serve-artifacts",
            "--artifacts-destination", str(self._data.mlflow),
        ]  # fmt: skip
        if socket := self._data.mlflow_socket:
            command += ["--uvicorn-opts", f"--uds {shlex.quote(str(socket))}"]
        environment = QUIET | {"MLFLOW_BACKEND_STORE_URI": postgres.url("mlflow", "postgresql+psycopg2")}

        async def healthy() -> bool:
            tracking = Tracking(self._mlflow_behind)
            try:
                return (await tracking.http.get("health", timeout=3)).is_success
            finally:
                await tracking.close()

        return self._part("mlflow", command, environment, ready=healthy)

    @property
    def _broker_url(self) -> str:
        return f"redis://:{self._secrets.broker_password}@127.0.0.1:{self._secrets.broker_port}/0"

    async def _gateway_answers(self) -> bool:
        return (await self._http.get(f"{self.url}/health")).is_success

    def _part(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        *,
        ready: Callable[[], Awaitable[bool]],
        **more: Any,
    ) -> Part:
        part = Part(
            name=name,
            command=command,
            environment=environment,
            log=self._data.logs / f"{name}.log",
            guardian=self._guardian,
            say=self._say,
            ready=ready,
            **more,
        )
        self._parts.append(part)
        return part


async def _together(*starts: Coroutine[Any, Any, Any]) -> list[Any]:
    """Await all; when one fails the others are ended first, so that none starts a part after everything was stopped."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_CLOCKS = (
    "LEASE_SECONDS",
    "RENEW_SECONDS",
    "RESEND_SECONDS",
    "DISPATCH_EVERY",
    "EXPIRE_EVERY",
    "WORKER_LOST_AFTER",
)


def _chosen(*names: str) -> dict[str, str]:
    """Those of some settings that the caller's environment holds; nothing else of it reaches a part."""
    return {
        f"TILTYARD_{name}": os.environ[f"TILTYARD_{name}"]
        for name in names
        if f"TILTYARD_{name}" in os.environ
    }
