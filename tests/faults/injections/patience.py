"""RabbitMQ's patience with a message that nobody acknowledges, which a long job can exceed: that costs a reconnect, no job."""

import random
from contextlib import suppress

from tests.faults.broker import RabbitMQ
from tests.faults.scene import Bite, Scene
from tests.servers import wait_for

TIMEOUT_MILLISECONDS = 5000
DEFAULTS = {"consumer_timeout": 1_800_000, "channel_tick_interval": 60_000}
SCALED = {"consumer_timeout": TIMEOUT_MILLISECONDS, "channel_tick_interval": 500}
JOB_SECONDS = 2.5 * TIMEOUT_MILLISECONDS / 1000
START_SECONDS = 60.0
SAID = "delivery acknowledgement on channel"


class ConsumerTimeout:
    """A job runs for longer than RabbitMQ bears a message without an answer, and its worker loses its channel."""

    name = "consumer timeout"
    needs_rabbitmq = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        bite = Bite(hit="no worker took the long job", bit=False, heal=lambda: _bear(scene, DEFAULTS))
        _bear(scene, SCALED)
        sent = scene.load.submit(seconds=JOB_SECONDS)
        wait_for(lambda: sent.job and scene.witness.beats(sent.job), seconds=START_SECONDS)
        held = next((one for one in scene.yard.ledger.held() if one.job == sent.job), None)
        if held is None:
            return bite
        worker = scene.yard.workers[held.worker]
        before = worker.said().count(SAID)
        with suppress(TimeoutError):
            wait_for(lambda: worker.said().count(SAID) > before, seconds=JOB_SECONDS)
            bite.bit = True
        bite.hit = f"{held.worker} with {held.job}"
        wait_for(lambda: sent.ended_at, seconds=START_SECONDS)
        if (starts := len(scene.witness.lives(held.job))) != 1:
            bite.trouble = (
                f"{held.job} started {starts} times, because RabbitMQ heard nothing of it for a while"
            )
        return bite


def _bear(scene: Scene, settings: dict[str, int]) -> None:
    broker = scene.yard.broker
    assert isinstance(broker, RabbitMQ)
    for name, milliseconds in settings.items():
        broker.control("eval", f"application:set_env(rabbit, {name}, {milliseconds}).")
    # A channel keeps what held when it was opened.
    for bell in scene.yard.worker_bells.values():
        bell.cut()
    wait_for(
        lambda: all(bell.connections for bell in scene.yard.worker_bells.values()), seconds=START_SECONDS
    )
    scene.yard.await_consumers()
