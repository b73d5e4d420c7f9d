"""A site of real processes that may be killed: servers of its own, two gateways, three workers, and doors between them.

    clients ── door ──┐                     ┌── door per gateway ──┐
                      ├── gateways (2) ──┬──┤                      ├── broker
    workers ── door ──┘   (each worker   │  └── door per worker ───┘
               of its own)               └──── PostgreSQL

Nothing of it is shared with anybody: whatever a fault does, it does to this yard alone.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from kombu import Connection

from tests.faults.background import Background
from tests.faults.broker import Broker, RabbitMQ, Valkey, rabbitmq_scripts
from tests.faults.disk import Disk
from tests.faults.ledger import Ledger
from tests.faults.part import Part
from tests.faults.postgres import Postgres
from tests.faults.proxy import Door
from tests.servers import answers, free_port, wait_for

LEASE_SECONDS = 4.0
CLOCKS = {
    "TILTYARD_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "TILTYARD_RENEW_SECONDS": "1",
    "TILTYARD_RESEND_SECONDS": "3",
    "TILTYARD_EXPIRE_EVERY": "0.5",
    "TILTYARD_RETRY_SECONDS": "0.5",
    "TILTYARD_HEARTBEAT_SECONDS": "2",
}
"""The protocol's clocks, scaled so that a fault takes seconds."""
GATEWAYS = 2
QUEUE = "cpu"
WORKERS = ("w1", "w2", "w3")
SMALL = WORKERS[-1]
"""The worker that has a small disk of its own, where one can be had; the store has another one."""
ROOTS = ("sdk", "api", "orchestrator", "workers", "plugins")
TILTYARD = str(Path(sys.executable).parent / "tiltyard")


class Yard:
    """The site. `yard()` makes one, and leaves nothing of it.

    Args:
        folder: where everything of it is; others must be able to pass through.
        source: a checkout whose code the processes run; None: the installed one.
        rabbitmq: whether the broker is RabbitMQ; None: where it is installed.
        compiled: where Python keeps what it compiled, for other yards too; None: in the folder.
    """

    def __init__(
        self,
        folder: Path,
        source: Path | None = None,
        *,
        rabbitmq: bool | None = None,
        compiled: Path | None = None,
    ) -> None:
        self.folder = folder
        self.token = f"ty_{secrets.token_hex(16)}"
        self._worker_token = f"tyw_{secrets.token_hex(16)}"
        self._source = source
        self._compiled = compiled or folder / "compiled"
        self._background = Background("yard")
        disks = {
            "store": Disk(folder / "store", mebibytes=64, files=0),
            SMALL: Disk(folder / SMALL, mebibytes=16, files=2_000),
        }
        self.disks = {name: disk for name, disk in disks.items() if disk.mounted}
        """The disks of its own; none where it may not mount."""
        self.postgres = Postgres(folder)
        installed = rabbitmq_scripts() is not None
        self.broker: Broker = (
            RabbitMQ(folder) if (installed if rabbitmq is None else rabbitmq) else Valkey(folder)
        )
        self.ledger = Ledger(self._background, self.postgres.url)
        ports = [free_port() for _ in range(GATEWAYS)]
        self.client_door = self.new_door(ports)
        self.worker_doors = {name: self.new_door(ports) for name in WORKERS}
        self.gateway_bells = [self.new_door([self.broker.port]) for _ in ports]
        self.worker_bells = {name: self.new_door([self.broker.port]) for name in WORKERS}
        self.gateways = [self._gateway(number, port) for number, port in enumerate(ports)]
        self.ports = dict(zip((part.name for part in self.gateways), ports, strict=True))
        self.workers = {name: self._worker(name) for name in WORKERS}

    @property
    def url(self) -> str:
        """Where clients find the gateways."""
        return f"http://127.0.0.1:{self.client_door.port}"

    @property
    def doors(self) -> list[Door]:
        """Every door that was made with the yard."""
        return [
            self.client_door,
            *self.worker_doors.values(),
            *self.gateway_bells,
            *self.worker_bells.values(),
        ]

    def new_door(self, upstreams: list[int]) -> Door:
        """One more door, to let one client through alone."""
        return Door(self._background, upstreams)

    def start(self) -> None:
        """Start everything, and wait until it serves."""
        self.broker.part.start()
        self.postgres.start()
        self.postgres.make_database()
        self._upgrade()
        self.await_broker()
        for part in (*self.gateways, *self.workers.values()):
            part.start()
        self.await_ready(seconds=90)

    def await_broker(self) -> None:
        """Wait until the broker takes connections."""
        wait_for(lambda: answers(self.broker.port), seconds=60)

    def await_ready(self, *, seconds: float = 60) -> None:
        """Wait until every gateway is well and every worker serves."""
        for name in self.ports:
            self.await_gateway(name, seconds=seconds)
        wait_for(lambda: self.serving() >= set(WORKERS), seconds=seconds)

    def await_gateway(self, name: str, *, seconds: float = 60) -> None:
        """Wait until a gateway is well."""
        address = f"http://127.0.0.1:{self.ports[name]}/health"
        wait_for(lambda: _well(address), seconds=seconds)

    def serving(self) -> set[str]:
        """The workers whose processes of now say that they serve."""
        try:
            answer = httpx.get(
                f"{self.url}/api/v1/workers", headers={"Authorization": f"Bearer {self.token}"}, timeout=5
            )
            listed = answer.raise_for_status().json()["items"]
        except httpx.HTTPError:
            return set()
        ours = {part.pid: name for name, part in self.workers.items()}
        return {ours[one["pid"]] for one in listed if one["state"] in {"idle", "busy"} and one["pid"] in ours}

    def await_consumers(self) -> None:
        """Wait until every worker listens to the broker, where the broker can tell; else until it says that it serves."""
        wait_for(lambda: self.serving() >= set(WORKERS), seconds=60)
        if isinstance(self.broker, RabbitMQ):
            wait_for(lambda: consumers(self.broker, QUEUE) >= len(WORKERS), seconds=60)

    def heal(self) -> None:
        """Have everything run that should, and every door be honest."""
        for door in self.doors:
            door.release()
        for disk in self.disks.values():
            disk.heal()
        for part in (*self.gateways, *self.workers.values()):
            part.thaw()
        for server in (self.postgres, self.broker):
            if not server.part.alive:
                server.start()
        for part in (*self.gateways, *self.workers.values()):
            if not part.alive:
                part.start()
        self.await_ready()

    def close(self) -> None:
        """End everything."""
        for part in (*self.workers.values(), *self.gateways):
            part.thaw()
            part.end()
        self.broker.close()
        self.postgres.close()
        for disk in self.disks.values():
            disk.close()
        for door in self.doors:
            door.close()
        self._background.close()

    def _environment(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        # Python compiles what it imports once, and not at each start.
        compiled = {"PYTHONPYCACHEPREFIX": str(self._compiled)}
        if self._source is not None:
            compiled["PYTHONPATH"] = self.python_path()
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return given | CLOCKS | compiled | {"HOME": str(home), "COLUMNS": "200"}

    def _settings(self, bell: Door) -> dict[str, str]:
        store = self.folder / "store"
        return self._environment() | {
            "TILTYARD_DATABASE_URL": self.postgres.url,
            "TILTYARD_BROKER_URL": self.broker.url(bell.port),
            "TILTYARD_STORE_DIR": str(store),
            "TILTYARD_BOOTSTRAP_TOKEN": self.token,
            "TILTYARD_WORKER_TOKEN": self._worker_token,
        }

    def _gateway(self, number: int, port: int) -> Part:
        name = f"g{number + 1}"
        command = [TILTYARD, "gateway", "--port", str(port)]
        settings = self._settings(self.gateway_bells[number])
        return Part(name, command, self.folder / f"{name}.log", settings, words=("gateway", "--port"))

    def _worker(self, name: str) -> Part:
        temporary = self.folder / name
        temporary.mkdir(exist_ok=True)
        environment = self._environment() | {
            "TILTYARD_URL": f"http://127.0.0.1:{self.worker_doors[name].port}",
            "TILTYARD_BROKER_URL": self.broker.url(self.worker_bells[name].port),
            "TILTYARD_WORKER_TOKEN": self._worker_token,
            "TILTYARD_SCRATCH": str(self.scratch(name)),
            "TILTYARD_JOB_SCRATCH_BYTES": "64MiB",  # else a worker with a small disk would start no job
            "TMPDIR": str(temporary),
        }
        command = [TILTYARD, "worker", "--queue", QUEUE, "--name", name]
        return Part(name, command, self.folder / f"{name}.log", environment, words=("worker", "--queue"))

    def python_path(self, *first: Path) -> str:
        """Where its processes find what they import, with other folders before."""
        roots = [self._source / root for root in ROOTS] if self._source is not None else []
        return ":".join(str(folder) for folder in (*first, *roots))

    def scratch(self, name: str) -> Path:
        """Where a worker's jobs run."""
        return self.folder / name / "scratch"

    def _upgrade(self) -> None:
        environment = self._settings(self.gateway_bells[0])
        done = subprocess.run(
            [TILTYARD, "db", "upgrade"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def yard(
    source: Path | None = None, *, rabbitmq: bool | None = None, compiled: Path | None = None
) -> Iterator[Yard]:
    """A running site in a folder of its own; both are gone afterwards."""
    # A socket's path is short, and so must be what it begins with.
    folder = Path(tempfile.mkdtemp(prefix="tyf-"))
    folder.chmod(0o755)
    try:
        made = Yard(folder, source, rabbitmq=rabbitmq, compiled=compiled)
        try:
            made.start()
            yield made
        finally:
            made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def consumers(broker: Broker, queue: str) -> int:
    """How many listen to a queue; 0 where there is none."""
    connection = Connection(broker.url(broker.port), connect_timeout=5)
    try:
        with connection:
            return int(connection.channel().queue_declare(queue, passive=True).consumer_count)
    except (*connection.connection_errors, *connection.channel_errors):
        return 0


def _well(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.HTTPError:
        return False
