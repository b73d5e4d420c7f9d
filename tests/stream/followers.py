"""Everyone who follows a job, each in its own way, and what each of them saw: the numbers of the events, then `end`."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from tests.stream.gateways import TILTYARD, USER, Site
from tiltyard import AsyncClient, Client
from tiltyard.wire import End, Event

Seen = list[int | str]
Tell = Callable[[int | str], None]


def shown(frame: Event | End) -> int | str:
    """A frame as these tests compare it."""
    return frame.seq if isinstance(frame, Event) else frame.kind


def whole(last: int) -> Seen:
    """What a follower from the beginning to the end has seen."""
    return [*range(last + 1), "end"]


class Follower:
    """Somebody who follows a job, and what came so far."""

    def __init__(self, follow: Callable[[Tell], Awaitable[None]]) -> None:
        self.seen: Seen = []
        self.task = asyncio.ensure_future(follow(self.seen.append))

    async def all(self, *, within: float = 60) -> Seen:
        """What came, when it is over."""
        await asyncio.wait_for(self.task, within)
        return self.seen


def by_client(url: str, job: str, *, after: int = -1, patience: float = 60) -> Follower:
    """`AsyncClient.follow`."""

    async def follow(tell: Tell) -> None:
        async with AsyncClient(url, USER, patience=patience) as client:
            async for frame in client.follow(job, after=after):
                tell(shown(frame))

    return Follower(follow)


def by_many(url: str, job: str, *, patience: float = 60) -> Follower:
    """`AsyncClient.follow_many`."""

    async def follow(tell: Tell) -> None:
        async with AsyncClient(url, USER, patience=patience) as client:
            async for frame in client.follow_many(jobs=[job]):
                tell(shown(frame))

    return Follower(follow)


def by_experiment(url: str, experiment: str) -> Follower:
    """`AsyncClient.follow_many` of an experiment, until the first of its jobs has ended."""

    async def follow(tell: Tell) -> None:
        async with (
            AsyncClient(url, USER) as client,
            aclosing(client.follow_many(experiment=experiment)) as frames,
        ):
            async for frame in frames:
                tell(shown(frame))
                if isinstance(frame, End):
                    return

    return Follower(follow)


def by_sync_client(url: str, job: str, *, patience: float = 60) -> Follower:
    """`Client.follow`, on a thread."""

    def read(tell: Tell) -> None:
        with Client(url, USER, patience=patience) as client:
            for frame in client.follow(job):
                tell(shown(frame))

    return Follower(lambda tell: asyncio.to_thread(read, tell))


def by_command(site: Site, job: str) -> Follower:
    """`tiltyard events -f --json`."""

    async def follow(tell: Tell) -> None:
        async with aclosing(_lines(site, "events", "-f", "--json", job)) as lines:
            async for line in lines:
                frame = json.loads(line)
                tell("end" if frame["kind"] == "end" else frame["seq"])

    return Follower(follow)


def by_log(site: Site, job: str) -> Follower:
    """`tiltyard logs -f`, of a job whose every line is the number of its event."""

    async def follow(tell: Tell) -> None:
        async with aclosing(_lines(site, "logs", "-f", job)) as lines:
            async for line in lines:
                tell(int(line))

    return Follower(follow)


async def _lines(site: Site, *arguments: str) -> AsyncGenerator[bytes, None]:
    process = await asyncio.create_subprocess_exec(
        TILTYARD, *arguments, env=site.environment(), stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            yield line
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
