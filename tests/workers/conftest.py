"""Attempts, run as a worker's pool process runs them, against a gateway that a test can make go away."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.servers import PATIENCE, wait_for
from tests.workers.double import WORKER_TOKEN, Gateway, Job, gateway_double
from tiltyard.wire import ClaimRequest
from tiltyard_workers.fences.fence import KINDS, Fence, choose_fence, works
from tiltyard_workers.gateway import Gateway as Connection
from tiltyard_workers.prefect.door import Door
from tiltyard_workers.prefect.gate import Gate
from tiltyard_workers.prefect.place import Place
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.attempt import Attempt
from tiltyard_workers.supervisor.scratch import clear_leftovers

Run = Callable[..., Job]
SUPERVISOR = Path(__file__).with_name("supervise.py")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_double() as double:
        yield double


@pytest.fixture
def settings(gateway: Gateway, tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(
        url=gateway.url,
        worker_token=WORKER_TOKEN,
        broker_url="redis://127.0.0.1:1/0",
        scratch=tmp_path / "scratch",
        grace_seconds=1,
        hide="",
    )


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The door to one Prefect server for all tests: it takes ten seconds to start."""
    place = Place(tmp_path_factory.mktemp("prefect"))
    door = Door(place, Gate())
    with place.as_worker():
        door.start()
        yield door
    door.close()
    if door._process is not None:
        door._process.wait(PATIENCE)  # it leaves when the last worker has left
    assert not place.home.exists()
    assert not place.socket.exists()


class Running:
    """An attempt on a thread of its own."""

    def __init__(self, gateway: Gateway, job: Job, settings: WorkerSettings, fence: Fence) -> None:
        self.job = job
        self._connection = Connection(gateway.url, WORKER_TOKEN)
        claim = self._connection.claim(
            "cpu", ClaimRequest(worker="w", token=f"tya_{secrets.token_urlsafe(32)}")
        )
        self.attempt = Attempt(claim, self._connection, settings, fence)
        self._thread = threading.Thread(target=self.attempt.run)
        self._thread.start()

    def until_printed(self, text: str) -> "Running":
        wait_for(lambda: text in self.job.log())
        return self

    def end(self, seconds: float = 2 * PATIENCE) -> Job:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"the attempt did not end within {seconds:g} s"
        return self.job

    def close(self) -> None:
        self.attempt.hand_back()
        self._thread.join(PATIENCE)
        self._connection.close()


@pytest.fixture
def start(gateway: Gateway, settings: WorkerSettings) -> Iterator[Callable[..., Running]]:
    """Submit a command and start its attempt, behind the strongest fence that is here."""
    everything: list[Running] = []
    strongest = choose_fence()

    def begin(command: str, *files: dict[str, str], fence: Fence = strongest, job: Job | None = None,
              changed: dict[str, object] | None = None, **more: object) -> Running:  # fmt: skip
        submitted = job or gateway.submit(command, *files, **more)
        chosen = settings.model_copy(update=changed or {})
        everything.append(Running(gateway, submitted, chosen, fence))
        return everything[-1]

    yield begin
    for running in everything:
        running.close()


@pytest.fixture
def run(start: Callable[..., Running]) -> Run:
    """Submit a command and run it to its end."""
    return lambda *args, **more: start(*args, **more).end()


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind.name}-{kind.how}".strip("-"))
def fence(request: pytest.FixtureRequest) -> Fence:
    if not works(request.param):
        pytest.skip(f"the fence {request.param.name} {request.param.how} does not work on this host")
    return request.param


class Supervisor:
    """An attempt in a process of its own, to be killed."""

    def __init__(self, gateway: Gateway, job: Job, scratch: Path, fence: Fence) -> None:
        command = [
            sys.executable,
            str(SUPERVISOR),
            gateway.url,
            job.claim.job,
            str(scratch),
            fence.name,
            fence.how,
        ]
        self.process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
                )
            },
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def supervise(gateway: Gateway, tmp_path: Path) -> Iterator[Callable[[Job, Fence], Supervisor]]:
    started: list[Supervisor] = []

    def begin(job: Job, fence: Fence) -> Supervisor:
        started.append(Supervisor(gateway, job, tmp_path / "supervised", fence))
        return started[-1]

    yield begin
    for supervisor in started:
        supervisor.kill()
    for left in (tmp_path / "supervised").glob("jobs"):
        clear_leftovers(left.parent)


def processes(mark: str) -> list[psutil.Process]:
    """The processes of this host whose command line has a word."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def unlikely() -> str:
    """Seconds to sleep that nobody else sleeps."""
    return str(10**6 + secrets.randbelow(10**6))
