"""Faults of gateways, and of the keepers in them."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

from tests.faults.part import Part
from tests.faults.scene import Bite, Scene
from tests.faults.yard import LEASE_SECONDS
from tests.servers import wait_for

ANSWER_SECONDS = 60.0
START_SECONDS = 60.0
LATEST_MOMENT_SECONDS = 0.08
"""Between a submission's commit and its publication there is about so much time."""


class GatewayKilled:
    """SIGKILL for a gateway that clients and workers are connected to."""

    name = "gateway killed"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        gateway = rng.choice(scene.yard.gateways)
        port = scene.yard.ports[gateway.name]
        open_ones = sum(door.connections_to(port) for door in scene.yard.doors)
        bite = Bite(hit=f"{gateway.name} with {open_ones} connections", bit=open_ones > 0)
        gateway.kill()
        bite.heal = _start(scene, gateway)
        bite.recovered = lambda: scene.witness.any_start(bite.at, seconds=START_SECONDS)
        return bite


class GatewayKilledBeforeAnswer:
    """SIGKILL between the commit of a submission and its answer: who repeats it gets the job that it made."""

    name = "gateway killed before answer"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        gateway = rng.choice(scene.yard.gateways)
        door = scene.yard.new_door(_first(scene, gateway))
        door.hold(requests=False, answers=True)
        sent = scene.load.submit(url=f"http://127.0.0.1:{door.port}")
        wait_for(lambda: scene.yard.ledger.by_key(sent.key), seconds=ANSWER_SECONDS)
        bite = Bite(hit=f"{gateway.name}, which had made {sent.key}", bit=sent.job is None)
        gateway.kill()
        door.cut()
        door.release()
        bite.heal = _start(scene, gateway)

        def recovered() -> float | None:
            with suppress(TimeoutError):
                wait_for(lambda: sent.job, seconds=ANSWER_SECONDS)
            door.close()
            return max(0.0, sent.accepted_at - bite.at) if sent.accepted_at else None

        bite.recovered = recovered
        return bite


class GatewayKilledBeforePublish:
    """SIGKILL around the ringing of the bell: while the broker does not hear the gateway, or at any moment after a commit."""

    name = "gateway killed before publish"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        number = rng.randrange(len(scene.yard.gateways))
        gateway, bell = scene.yard.gateways[number], scene.yard.gateway_bells[number]
        door = scene.yard.new_door(_first(scene, gateway))
        mute = rng.random() < 0.5
        if mute:
            bell.hold(answers=False)
        sent = scene.load.submit(url=f"http://127.0.0.1:{door.port}")
        wait_for(lambda: sent.job, seconds=ANSWER_SECONDS)
        if mute:
            with suppress(TimeoutError):
                wait_for(lambda: bell.held_bytes, seconds=2)
        else:
            time.sleep(rng.uniform(0, LATEST_MOMENT_SECONDS))
        said = "the broker did not hear it" if mute else "at some moment"
        bite = Bite(hit=f"{gateway.name} with {sent.job}, {said}")
        gateway.kill()
        assert sent.job is not None
        job = sent.job
        bite.bit = scene.yard.ledger.job(job)["state"] == "queued"
        bell.cut()
        bell.release()
        door.close()
        bite.heal = _start(scene, gateway)
        bite.recovered = lambda: scene.witness.first_start(frozenset({job}), bite.at, seconds=START_SECONDS)
        return bite


class KeepersPaused:
    """SIGSTOP for both gateways, for two leases: that nobody was heard is their own fault, and costs no attempt."""

    name = "keepers paused"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        held = scene.yard.ledger.held()
        bite = Bite(hit=f"both gateways, {len(held)} jobs held", bit=bool(held))
        for gateway in scene.yard.gateways:
            gateway.freeze()
        time.sleep(2 * LEASE_SECONDS)
        for gateway in scene.yard.gateways:
            gateway.thaw()
        bite.recovered = lambda: scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
        return bite


class GatewaysRestarted:
    """SIGTERM for each gateway in turn, under load."""

    name = "gateways restarted"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        held = scene.yard.ledger.held()
        bite = Bite(hit=f"both, {len(held)} jobs held", bit=bool(held))
        for gateway in rng.sample(scene.yard.gateways, len(scene.yard.gateways)):
            asked = time.monotonic()
            code = gateway.stop()
            bite.hit += f"; {gateway.name} ended in {time.monotonic() - asked:.1f} s"
            _start(scene, gateway)()
            assert code == 0, f"{gateway.name} ended with {code}"
        return bite


def _first(scene: Scene, gateway: Part) -> list[int]:
    """The gateways' ports, with this one's first: a new door goes to it as long as it answers."""
    ports = scene.yard.ports
    return [ports[gateway.name], *(port for name, port in ports.items() if name != gateway.name)]


def _start(scene: Scene, gateway: Part) -> Callable[[], None]:
    def start() -> None:
        gateway.start()
        scene.yard.await_gateway(gateway.name)

    return start
