"""Gateways are killed under a stream, one after the other and both at once, and nobody misses or repeats an event."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.stream import followers
from tests.stream.balancer import Balancer
from tests.stream.conftest import Start
from tests.stream.followers import Follower, whole
from tests.stream.gateways import Attempt, Site

Until = Callable[..., Awaitable[None]]


async def print_numbers(attempt: Attempt, enough: asyncio.Event) -> None:
    """Print the number of each event as its text, until it is enough."""
    while not enough.is_set():
        first = attempt.sent + 2  # behind `queued` and `running`
        await attempt.print(*(f"{number}\n" for number in range(first, first + 5)))
        await asyncio.sleep(0.1)


async def until_all_go_on(site: Site, following: list[Follower], until: Until) -> None:
    """Wait until every follower has seen something that was not there a moment ago."""
    had = [len(follower.seen) for follower in following]
    await until(
        lambda: (
            any(follower.task.done() for follower in following)
            or all(len(follower.seen) > count for follower, count in zip(following, had, strict=True))
        )
    )
    assert [follower.seen for follower in following if follower.task.done()] == [], site.log[-3000:]


async def test_every_kind_of_follower_outlives_gateways_that_are_killed_again_and_again(
    start_site: Start, until: Until
) -> None:
    async with start_site(None, None) as site:
        attempt = await site.running()
        polls = Balancer(*(gateway.port for gateway in site.gateways), passes_sockets=False)
        with polls.running():
            url, job = site.url, attempt.job
            log = followers.by_log(site, job)
            following = [
                followers.by_client(url, job),
                followers.by_many(url, job),
                followers.by_sync_client(url, job),
                followers.by_command(site, job),
                followers.by_client(polls.url, job),
            ]
            enough = asyncio.Event()
            printing = asyncio.create_task(print_numbers(attempt, enough))
            await until_all_go_on(site, [*following, log], until)
            for victims in ([0], [0, 1]):
                for victim in victims:
                    site.gateways[victim].kill()
                if len(victims) == 1:
                    await until_all_go_on(site, [*following, log], until)
                starts = (asyncio.to_thread(site.gateways[victim].start) for victim in victims)
                await asyncio.gather(*starts)
                await until_all_go_on(site, [*following, log], until)
            enough.set()
            await printing
            last = await attempt.finish()
            for follower in following:
                assert await follower.all() == whole(last)
            assert await log.all() == list(range(2, last))
        assert set(site.balancer.served) == {gateway.port for gateway in site.gateways}
