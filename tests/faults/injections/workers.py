"""Faults of workers and of the jobs in them."""

import random
import signal
import time
from contextlib import suppress

from tests.faults.ledger import Held
from tests.faults.part import Part, cmdline, processes_of, send
from tests.faults.scene import Bite, Scene
from tests.faults.yard import LEASE_SECONDS
from tests.servers import wait_for

RESTART_SECONDS = 60.0
"""In which a job must have started again, whatever happened to its worker."""
LONG_SECONDS = 2.5 * LEASE_SECONDS
UNDER_WAY_SECONDS = 0.4
"""How long the other attempt runs before a frozen worker goes on."""
MUTE_SECONDS = (0.2, 1.5)
"""Well below a lease."""
REFUSAL_SECONDS = 60.0
"""In which a worker that comes back must have learned that its job is another's: a request's time-out, and some."""


class WorkerKilled:
    """SIGKILL for a worker's own processes while it runs a job, whose processes must end by themselves."""

    name = "worker killed"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        held = _one(scene, rng)
        if held is None:
            return Bite(hit="no worker was at work", bit=False)
        worker = scene.yard.workers[held.worker]
        bite = Bite(hit=f"{held.worker} with {held.job}", heal=worker.start)
        worker.kill()
        # Its job's end may have been told just before.
        bite.bit = _holds_still(scene, held)
        if bite.bit:
            bite.lost_leases = frozenset({held.job})
            bite.recovered = lambda: scene.witness.next_start(
                bite.lost_leases, bite.at, seconds=RESTART_SECONDS
            )
        return bite


class JobKilled:
    """SIGKILL for a job's own process, from outside: that is the job's end, and no loss."""

    name = "job killed"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        held = _one(scene, rng)
        if held is None:
            return Bite(hit="no job ran", bit=False)
        bite = Bite(hit=f"{held.job} on {held.worker}", ended_by_it=frozenset({held.job}))
        send([one for one in processes_of(held.key) if "-c" not in cmdline(one).split()], signal.SIGKILL)
        wait_for(lambda: not _holds_still(scene, held), seconds=RESTART_SECONDS)
        bite.bit = scene.yard.ledger.job(held.job)["reason"] == "signal"
        return bite


class WorkerFrozen:
    """SIGSTOP for all of a worker, with its job, for longer than a lease: what it says afterwards must be refused."""

    name = "worker frozen"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        held = _one(scene, rng)
        if held is None:
            return Bite(hit="no worker was at work", bit=False)
        worker = scene.yard.workers[held.worker]
        bite = Bite(hit=f"{held.worker} with {held.job}", heal=worker.thaw)
        worker.freeze()
        return _lost_to_another(scene, held, bite, worker)


class WorkerCutOff:
    """Nothing passes between a worker and the gateways for longer than a lease, and then everything that was held."""

    name = "worker cut off"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        # It works on while it is cut off, and longer than its lease: two attempts run at once.
        sent = scene.load.submit(seconds=LONG_SECONDS)
        wait_for(lambda: sent.job and scene.witness.beats(sent.job), seconds=RESTART_SECONDS)
        held = next((one for one in scene.at_work() if one.job == sent.job), None)
        if held is None:
            return Bite(hit="its job had ended", bit=False)
        door = scene.yard.worker_doors[held.worker]
        bite = Bite(hit=f"{held.worker} with {held.job}", heal=door.release)
        door.hold()
        return _lost_to_another(scene, held, bite, scene.yard.workers[held.worker])


class AnswersLost:
    """What a worker says arrives, and no answer comes back: it says it again, and nothing of it may count twice."""

    name = "answers lost"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        held = _one(scene, rng)
        if held is None:
            return Bite(hit="no worker was at work", bit=False)
        door = scene.yard.worker_doors[held.worker]
        door.hold(requests=False, answers=True)
        time.sleep(rng.uniform(*MUTE_SECONDS))
        bite = Bite(hit=f"{held.worker}, {door.held_bytes} bytes of answers", bit=door.held_bytes > 0)
        door.cut()
        door.release()
        bite.recovered = lambda: scene.witness.any_start(bite.at, seconds=RESTART_SECONDS)
        return bite


class WorkersRestarted:
    """SIGTERM for each worker in turn under load: each lets its job end, and no attempt is lost by it."""

    name = "workers restarted"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        scene.yard.await_consumers()
        order = rng.sample(sorted(scene.yard.workers), len(scene.yard.workers))
        with suppress(TimeoutError):
            wait_for(scene.at_work, seconds=5)
        busy = [held.worker for held in scene.at_work()]
        bite = Bite(hit=f"{', '.join(order)}; at work: {', '.join(busy) or 'none'}", bit=bool(busy))
        for name in order:
            worker = scene.yard.workers[name]
            code = worker.stop()
            worker.start()
            assert code == 0, f"{name} ended with {code}"
            scene.yard.await_consumers()
        return bite


def _one(scene: Scene, rng: random.Random) -> Held | None:
    working = scene.at_work()
    return rng.choice(working) if working else None


def _holds_still(scene: Scene, held: Held) -> bool:
    row = scene.yard.ledger.job(held.job)
    return (row["state"], row["epoch"]) == ("running", held.epoch)


def _is_under_way(scene: Scene, held: Held, told: int) -> bool:
    """Whether the other attempt has told as much: else what the late one tells is refused for a gap, whatever its epoch."""
    later = scene.witness.lives(held.job)[-1]
    if later.ended:
        return True
    runs = later.last - later.first > UNDER_WAY_SECONDS
    return runs and int(scene.yard.ledger.job(held.job)["reported"]) >= told


def _lost_to_another(scene: Scene, held: Held, bite: Bite, worker: Part) -> Bite:
    """Wait until the job of a silent worker runs elsewhere; the worker then hears that it is not its any more."""
    if not _holds_still(scene, held):
        bite.bit = False
        return bite
    bite.lost_leases, bite.may_overlap = frozenset({held.job}), True
    told = int(scene.yard.ledger.job(held.job)["reported"])
    took = scene.witness.next_start(bite.lost_leases, bite.at, seconds=RESTART_SECONDS)
    if took is not None:
        wait_for(lambda: _is_under_way(scene, held, told), seconds=RESTART_SECONDS)

    def refused() -> bool:
        return any("attempt_superseded" in line and held.job in line for line in worker.said().splitlines())

    def recovered() -> float | None:
        with suppress(TimeoutError):
            wait_for(refused, seconds=REFUSAL_SECONDS)
            return took
        bite.trouble = f"{worker.name} came back and was never told that {held.job} is not its any more"
        return None

    bite.bit, bite.recovered = took is not None, recovered
    return bite
