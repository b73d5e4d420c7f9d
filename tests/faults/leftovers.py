"""What must not be there when every job has ended: processes, folders, mounts, messages, queues."""

from collections.abc import Iterable
from pathlib import Path

import psutil

from tests.faults.broker import RabbitMQ
from tests.faults.part import cmdline, lives
from tests.faults.scene import Scene
from tests.faults.yard import QUEUE, WORKERS
from tests.servers import wait_for

SETTLE_SECONDS = 30.0


def leftovers(scene: Scene, mounts_before: Iterable[str]) -> list[str]:
    """One sentence for each thing that is left."""
    checks = (_ended, _processes, _folders, lambda one: _mounts(one, mounts_before), _messages)
    found: list[str] = []
    for check in checks:
        try:
            wait_for(lambda check=check: not check(scene), seconds=SETTLE_SECONDS)  # type: ignore[misc]
        except TimeoutError:
            found += check(scene)
    return found


def mounts() -> list[str]:
    """Where something is mounted."""
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]


def _ended(scene: Scene) -> list[str]:
    parts = (
        *scene.yard.gateways,
        *scene.yard.workers.values(),
        scene.yard.broker.part,
        scene.yard.postgres.part,
    )
    return [f"{part.name} is not there any more" for part in parts if not part.alive]


def _processes(scene: Scene) -> list[str]:
    left = [one for one in psutil.process_iter() if scene.load.mark in cmdline(one)]
    left += [
        child for name in WORKERS for child in scene.yard.workers[name].tree() if "warden" in cmdline(child)
    ]
    left += [
        one for part in scene.yard.workers.values() for one in part.orphans if lives(one) and not _host_s(one)
    ]
    return [f"process {one.pid} of a job is left: {cmdline(one)[:120]}" for one in left]


def _host_s(process: psutil.Process) -> bool:
    """Whether it is the Prefect server, which serves the next worker of its host and ends with the last."""
    return "tiltyard_workers.prefect.server" in cmdline(process)


def _folders(scene: Scene) -> list[str]:
    found = [
        path
        for name in WORKERS
        for pattern in ("scratch/**/jobs/*", "ty-*")
        for path in (scene.yard.folder / name).glob(pattern)
    ]
    return [f"the folder {path.relative_to(scene.yard.folder)} of an attempt is left" for path in found]


def _mounts(scene: Scene, before: Iterable[str]) -> list[str]:
    own = str(scene.yard.folder)
    disks = {str(disk.folder) for disk in scene.yard.disks.values()}
    return [
        f"{place} is still mounted"
        for place in mounts()
        if place.startswith(own) and place not in {*before, *disks}
    ]


def _messages(scene: Scene) -> list[str]:
    broker = scene.yard.broker
    if not isinstance(broker, RabbitMQ):
        return []
    found = []
    for line in broker.control("list_queues", "--no-table-headers", "name", "messages").splitlines():
        name, _, messages = line.rpartition("\t")
        if name != QUEUE and not name.startswith("amq.gen-"):
            found.append(f"there is a queue called {name!r}")
        elif name == QUEUE and messages != "0":
            found.append(f"the queue {name} still has {messages} messages, read or unread")
    return found
