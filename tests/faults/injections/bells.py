"""Faults of the broker: the bell is silent, forgets, or takes nothing. Who waits is rung for again."""

import random
import time
from collections.abc import Callable

from kombu import Connection

from tests.faults.broker import RabbitMQ
from tests.faults.scene import Bite, Scene
from tests.faults.yard import QUEUE
from tests.servers import wait_for

CROWD = 3
"""Jobs that are sent at once, so that some wait in the queue."""
START_SECONDS = 60.0
ALARM_SECONDS = 4.0
BLOCKED = ("blocked", "blocking")


class BrokerKilled:
    """SIGKILL for the broker, and a new start."""

    name = "broker killed"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        waiting = _crowd(scene)
        bite = Bite(hit=f"{scene.yard.broker.name} with {len(waiting)} jobs waiting", bit=bool(waiting))
        scene.yard.broker.part.kill()
        bite.heal = scene.yard.broker.start
        bite.recovered = _all_start(scene, bite, waiting)
        return bite


class QueuePurged:
    """All messages of a queue are dropped."""

    name = "queue purged"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        waiting = _crowd(scene)
        with Connection(scene.yard.broker.url(scene.yard.broker.port)) as connection:
            purged = connection.channel().queue_purge(QUEUE) or 0
        bite = Bite(hit=f"{purged} messages", bit=purged > 0)
        bite.recovered = _all_start(scene, bite, waiting)
        return bite


class QueueDeleted:
    """A queue is deleted under its consumers, with its messages."""

    name = "queue deleted"
    needs_rabbitmq = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        waiting = _crowd(scene)
        with Connection(scene.yard.broker.url(scene.yard.broker.port)) as connection:
            deleted = connection.channel().queue_delete(QUEUE) or 0
        bite = Bite(hit=f"{deleted} messages, 3 consumers", bit=deleted > 0)
        bite.recovered = _all_start(scene, bite, waiting)
        return bite


class MemoryAlarm:
    """RabbitMQ takes no message: it says that its memory is full, and blocks who publishes."""

    name = "memory alarm"
    needs_rabbitmq = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        broker = scene.yard.broker
        assert isinstance(broker, RabbitMQ)
        broker.control("set_vm_memory_high_watermark", "0.00001")
        bite = Bite(hit="", heal=lambda: _drop_alarm(broker))
        # Enough of them that the bells that were rung before do not start them all.
        sent = [scene.load.submit(seconds=1.5) for _ in range(2 * CROWD)]
        time.sleep(ALARM_SECONDS)
        states = broker.control("list_connections", "--no-table-headers", "state").split()
        blocked = sum(state in BLOCKED for state in states)
        waiting = frozenset(one.job for one in sent if one.job) & set(scene.yard.ledger.waiting())
        bite.hit = f"{blocked} of {len(states)} connections blocked, {len(waiting)} jobs waiting"
        bite.bit = blocked > 0 and bool(waiting)
        bite.recovered = _all_start(scene, bite, waiting)
        return bite


def _drop_alarm(broker: RabbitMQ) -> None:
    broker.control("set_vm_memory_high_watermark", "0.4")


def _crowd(scene: Scene) -> frozenset[str]:
    """Send a few jobs at once; gives those that wait when all were rung for."""
    sent = [scene.load.submit(seconds=0.5) for _ in range(CROWD)]
    wait_for(lambda: all(one.job for one in sent), seconds=START_SECONDS)
    return frozenset(scene.yard.ledger.waiting())


def _all_start(scene: Scene, bite: Bite, waiting: frozenset[str]) -> Callable[[], float | None]:
    return lambda: scene.witness.first_start(waiting, bite.at, seconds=START_SECONDS)
