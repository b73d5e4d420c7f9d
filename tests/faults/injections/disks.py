"""Faults of disks: a worker's is full, and its jobs start elsewhere; the store's takes nothing, and results wait for it."""

import io
import random
import secrets
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress

import httpx

from tests.faults.scene import Bite, Scene
from tests.faults.yard import SMALL
from tests.servers import wait_for

FULL_SECONDS = 4.0
"""Short enough that no job fails to start at a full worker as often as it may."""
BEFORE_SECONDS = 10.0
START_SECONDS = 60.0
UPLOAD_SECONDS = 60.0


class WorkerDiskFull:
    """A worker has no room for one file more: what it claims does not start there, and is tried again."""

    name = "worker's disk full"
    needs_rabbitmq = False
    needs_disks = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        disk, ledger = scene.yard.disks[SMALL], scene.yard.ledger
        bite = Bite(hit=SMALL)

        def note() -> list[str]:
            taken, failed = ledger.taken_by(SMALL, seconds=time.monotonic() - bite.at + BEFORE_SECONDS)
            # One that ran found no room for its files: its own end.
            bite.ended_by_it, bite.failed_starts = frozenset(taken), frozenset(failed)
            return failed

        def heal() -> None:
            disk.heal()
            note()

        def recovered() -> float | None:
            started = scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
            note()
            return started

        bite.heal, bite.recovered = heal, recovered
        until = time.monotonic() + FULL_SECONDS
        while time.monotonic() < until:
            disk.fill()
            time.sleep(0.05)
        failed = note()
        bite.hit, bite.bit = f"{SMALL}, {len(failed)} jobs did not start", bool(failed)
        return bite


class StoreFull:
    """The store has no room: uploads are answered with 507, and workers wait with their results."""

    name = "store full"
    needs_rabbitmq = False
    needs_disks = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        return _without_store(scene, scene.yard.disks["store"].fill, 507)


class StoreReadOnly:
    """The store can be read and not written: uploads are answered with 503, and workers wait with their results."""

    name = "store read-only"
    needs_rabbitmq = False
    needs_disks = True

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        return _without_store(scene, scene.yard.disks["store"].protect, 503)


def _without_store(scene: Scene, harm: Callable[[], None], expected: int) -> Bite:
    harm()
    bite = Bite(hit="", heal=scene.yard.disks["store"].heal)
    status = _upload(scene)
    if status != expected:
        bite.trouble = f"an upload to a store that takes nothing was answered with {status}, not {expected}"
    time.sleep(FULL_SECONDS)
    done = [life.job for life in scene.witness.lives() if life.ended]
    waiting = [held for held in scene.yard.ledger.held() if held.job in done]
    bite.hit, bite.bit = f"an upload got {status}, {len(waiting)} results waited", bool(waiting)

    def recovered() -> float | None:
        with suppress(TimeoutError):
            wait_for(lambda: _upload(scene) == 201, seconds=UPLOAD_SECONDS)
            return scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
        return None

    bite.recovered = recovered
    return bite


def _upload(scene: Scene) -> int:
    """Upload an archive that is like no other; gives the answer's status."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("MLproject", "name: any\nentry_points: {main: {command: 'true'}}\n")
        archive.writestr("any", secrets.token_bytes(64))
    bearer = {"Authorization": f"Bearer {scene.yard.token}", "Content-Type": "application/octet-stream"}
    url = f"{scene.yard.url}/api/v1/archives"
    return httpx.post(url, content=packed.getvalue(), headers=bearer, timeout=UPLOAD_SECONDS).status_code
