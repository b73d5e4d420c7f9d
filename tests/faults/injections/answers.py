"""Faults of one answer: what was asked is done, nobody hears of it, and it is asked again. It is to count once."""

import random
from collections.abc import Callable
from contextlib import suppress

from tests.faults.scene import Bite, Scene
from tests.servers import wait_for

PASS_SECONDS = 60.0
"""In which a worker asks what it is trapped by."""
START_SECONDS = 60.0


class FinishUnanswered:
    """A result is recorded, and its worker does not hear that it was."""

    name = "finish unanswered"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        working = scene.at_work()
        if not working:
            return Bite(hit="no worker was at work", bit=False)
        held = rng.choice(working)
        bite = Bite(hit=f"{held.worker} with {held.job}")
        request = f"/attempts/{held.job}/{held.epoch}/finish"

        def recorded() -> bool:
            return scene.yard.ledger.job(held.job)["finished_at"] is not None

        return _unanswered(scene, bite, held.worker, request, recorded)


class ClaimUnanswered:
    """A job is given to a worker that does not hear of it: it asks again, and is given the same one."""

    name = "claim unanswered"
    needs_rabbitmq = False

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        worker = rng.choice(sorted(scene.yard.workers))
        bite = Bite(hit=worker)

        def given() -> bool:
            held = [one.job for one in scene.yard.ledger.held() if one.worker == worker]
            bite.hit = f"{worker}, given {' '.join(held)}"
            return bool(held)

        return _unanswered(scene, bite, worker, "/claim", given)


def _unanswered(scene: Scene, bite: Bite, worker: str, request: str, done: Callable[[], bool]) -> Bite:
    """Let a request of a worker pass, and nothing come back."""
    door = scene.yard.worker_doors[worker]
    bite.bit = False
    door.trap = request.encode()
    with suppress(TimeoutError):
        wait_for(lambda: door.trap is None, seconds=PASS_SECONDS)
        wait_for(done, seconds=PASS_SECONDS)
        bite.bit = True
    door.cut()
    door.release()
    bite.recovered = lambda: scene.witness.any_start(bite.at, seconds=START_SECONDS)
    return bite
