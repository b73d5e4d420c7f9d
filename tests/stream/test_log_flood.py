"""A job that prints as fast as it can: its log is bounded, its lease is safe, its neighbours and the gateways notice little."""

import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import func, select
from sqlmodel import col

from tests.servers import stop
from tests.stream import followers
from tests.stream.conftest import Start
from tests.stream.followers import whole
from tests.stream.gateways import TILTYARD, USER, Site
from tiltyard import AsyncClient
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.tables import JobRow

Until = Callable[..., Awaitable[None]]
HEARS = {"poll": 600}
"""The clocks of a gateway whose followers know nothing without a hint."""
LEASE_SECONDS = 12.0
"""Of which half is less than the flood lasts, and more than a busy machine makes a renewal late."""
CLOCKS = {
    "TILTYARD_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "TILTYARD_RENEW_SECONDS": "1",
    "TILTYARD_EXPIRE_EVERY": "0.5",
}
KEPT = 16 << 20
"""Bytes of an attempt's output; beside it the last 64 KiB of each stream, wherever it was cut."""
MOST_MEMORY = 100 << 20
FLOOD = """
import os, time

def flood(seconds, block, *outputs):
    begun, written = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        for output in outputs:
            written += os.write(output, block)
    return written

written = flood(6, b"x" * 99 + b"\\n" + b"y" * 65_436, 1)
written += flood(2, b"a short line\\n", 1, 2)
os.makedirs("outputs")
open("outputs/written", "w").write(str(written))
"""
MLPROJECT = "name: flood\nentry_points:\n  main:\n    command: python flood.py\n"


@contextmanager
def worker(site: Site, folder: Path) -> Iterator[psutil.Process]:
    """A worker of the queue `cpu`."""
    settings = {
        "TILTYARD_URL": site.url,
        "TILTYARD_WORKER_TOKEN": site.settings["TILTYARD_WORKER_TOKEN"],
        "TILTYARD_BROKER_URL": site.settings["TILTYARD_BROKER_URL"],
        "TILTYARD_SCRATCH": str(folder / "scratch"),
    }
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [TILTYARD, "worker", "--queue", "cpu"], env=os.environ | settings, stdout=log, stderr=log
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        stop(process)


@dataclass
class Watch:
    """What was seen while the job flooded."""

    processes: list[psutil.Process]
    leases: list[float] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    most: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.most = self._sizes()

    def _sizes(self) -> list[int]:
        return [process.memory_info().rss for process in self.processes]

    async def look(self, database: Database, job: str) -> bool:
        """Look once; whether the job has ended."""
        async with database.transaction() as session:
            left = func.extract("epoch", col(JobRow.lease_until) - func.now())
            query = select(left, col(JobRow.finished_at)).where(col(JobRow.id) == job)
            seconds, ended = (await session.execute(query)).one()
        if seconds is not None:
            self.leases.append(float(seconds))
        self.most = list(map(max, self.most, self._sizes()))
        return ended is not None


def flood_in(folder: Path) -> Path:
    """A project that floods."""
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "flood.py").write_text(FLOOD)
    return folder


async def test_a_flood_is_bounded_and_delays_no_lease_and_no_neighbour(
    start_site: Start, until: Until, database: Database, tmp_path: Path
) -> None:
    async with start_site(None, HEARS, **CLOCKS) as site, AsyncClient(site.url, USER) as client:
        with worker(site, tmp_path) as process:

            async def works() -> bool:
                return any([one.state == "idle" async for one in client.workers()])

            await until(works)
            parts = [
                process,
                *process.children(),
                *(psutil.Process(one.process.pid) for one in site.gateways if one.process),
            ]
            watch = Watch(parts)
            job = await client.submit(flood_in(tmp_path / "flood"), experiment="flood")
            following = followers.by_client(site.url, job.id)
            neighbour = await site.running()
            beside = followers.by_client(site.gateways[1].url, neighbour.job)
            while not await watch.look(database, job.id):
                await neighbour.print("still heard")
                await until(lambda: len(beside.seen) == neighbour.sent + 2)
            last = await neighbour.finish()
            assert await beside.all() == whole(last)
            ended = await client.job(job.id)
            events = await client.events(job.id)
            written = int((await client.download(job.id, "written", tmp_path)).read_text())
        assert await following.all() == whole(events[-1].seq)
    kept = sum(len(event.data["text"]) for event in events if event.kind == "log")
    dropped = sum(int(event.data.get("dropped", 0)) for event in events)
    assert (ended.state, ended.attempt) == ("succeeded", 1)
    assert kept + dropped == written
    assert dropped > 0
    assert kept < KEPT + (1 << 20)
    assert min(watch.leases) > LEASE_SECONDS / 2
    assert all(most - before < MOST_MEMORY for before, most in zip(watch.before, watch.most, strict=True))
