"""Followers that read nothing are shown out, and until then cost a gateway next to nothing and the other followers nothing."""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from tests.stream import followers
from tests.stream.conftest import Start
from tests.stream.followers import whole
from tests.stream.gateways import Attempt, Gateway
from tests.stream.raw import PING, frame, raw_socket, read_answer

Until = Callable[..., Awaitable[None]]
LINE = 16_000
"""Characters of an event: what a worker sends at most."""
EVENTS = 3_200
STALLED = 50
MOST_MEMORY = 80 << 20
"""What a gateway may need more: a thirtieth of what it would, if it kept the history for each who reads nothing of it."""


async def print_history(attempt: Attempt) -> None:
    """Print 50 MB."""
    text = base64.b64encode(os.urandom(LINE * 3 // 4)).decode()
    for _ in range(0, EVENTS, 160):
        await attempt.print(*[text] * 160)


def ping_and_read_nothing(gateway: Gateway, job: str) -> int:
    """Send 20 MB of pings while a history waits to be read; how much memory the gateway needs more for it."""
    with raw_socket(gateway.port, f"/jobs/{job}/events", window=4096) as line:
        read_answer(line)
        before = gateway.rss()
        line.sendall(frame(PING, b"x" * 125) * 160_000)
        return gateway.rss() - before


async def test_fifty_followers_that_read_nothing_cost_little_and_are_shown_out(
    start_site: Start, until: Until
) -> None:
    async with start_site({"poll": 1, "send": 5, "farewell": 1}) as site:
        gateway = site.gateways[0]
        attempt = await site.running()
        await print_history(attempt)
        before = most = gateway.rss()
        paths = [f"/jobs/{attempt.job}/events?after={n * EVENTS // STALLED}" for n in range(1, STALLED)]
        with ExitStack() as stack:
            lines = [
                stack.enter_context(raw_socket(gateway.port, path, window=4096))
                for path in [*paths, "/events"]
            ]
            stalled = {line.getsockname()[1] for line in lines}
            await until(lambda: stalled <= gateway.clients())
            reading = followers.by_client(site.url, attempt.job)
            waiting = followers.by_client(site.url, attempt.job, after=attempt.sent + 1)

            def gone() -> bool:
                nonlocal most
                most = max(most, gateway.rss())
                return not stalled & gateway.clients()

            await attempt.print("news")
            await until(lambda: gone() or waiting.seen)
            assert not gone(), "who only waits for news had to wait for those who read nothing"
            await until(gone)
        assert await asyncio.to_thread(ping_and_read_nothing, gateway, attempt.job) < 10 << 20
        last = await attempt.finish()
        assert await reading.all() == whole(last)
        assert await waiting.all() == [last - 1, last, "end"]
        assert most - before < MOST_MEMORY
        assert "Traceback" not in site.log
