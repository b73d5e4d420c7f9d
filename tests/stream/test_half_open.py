"""Connections whose other end has vanished without a word are found out, by the gateway and by the clients."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from tests.stream import followers
from tests.stream.balancer import Balancer
from tests.stream.conftest import Start
from tests.stream.followers import whole
from tests.stream.raw import raw_socket, read_answer
from tiltyard_api.serving.serve import KEEPALIVE, listen

Until = Callable[..., Awaitable[None]]
PATIENCE = 6.0


async def test_a_gateway_lets_go_of_followers_that_have_vanished(start_site: Start, until: Until) -> None:
    async with start_site({"poll": 0.5, "send": 2, "farewell": 1, "ping": 2}) as site:
        gateway = site.gateways[0]
        quiet, busy = await site.running(), await site.running()
        staying = [followers.by_client(site.url, attempt.job) for attempt in (quiet, busy)]
        await until(lambda: all(len(follower.seen) == 2 for follower in staying))
        with ExitStack() as stack:
            road = stack.enter_context(Balancer(gateway.port).running())
            for path in (f"/jobs/{quiet.job}/events", f"/jobs/{busy.job}/events", "/events"):
                line = stack.enter_context(raw_socket(road.port, path, window=4096))
                await asyncio.to_thread(read_answer, line)
            vanishing = road.callers()
            assert len(vanishing & gateway.clients()) == 3
            road.fall_silent(gateway.port)
            for _ in range(10):
                await busy.print(*["x" * 16_000] * 20)
            await until(lambda: not vanishing & gateway.clients())
        for attempt, follower in zip((quiet, busy), staying, strict=True):
            last = await attempt.finish()
            assert await follower.all() == whole(last)
        assert "Traceback" not in site.log


async def test_a_client_whose_gateway_has_vanished_comes_back_within_its_patience(
    start_site: Start, until: Until
) -> None:
    async with start_site({"poll": 0.5}, {"poll": 0.5}) as site:
        attempt = await site.running()
        ports = [gateway.port for gateway in site.gateways]
        with ExitStack() as stack:
            road = stack.enter_context(Balancer(ports[0]).running())
            no_sockets = stack.enter_context(Balancer(ports[0], passes_sockets=False).running())
            following = [
                followers.by_client(road.url, attempt.job, patience=PATIENCE),
                followers.by_many(road.url, attempt.job, patience=PATIENCE),
                followers.by_sync_client(road.url, attempt.job, patience=PATIENCE),
                followers.by_client(no_sockets.url, attempt.job, patience=PATIENCE),
            ]

            async def all_is_seen() -> None:
                await until(
                    lambda: (
                        any(follower.task.done() for follower in following)
                        or all(len(follower.seen) == attempt.sent + 2 for follower in following)
                    )
                )
                assert [follower.seen for follower in following if follower.task.done()] == []

            await attempt.print("before")
            await all_is_seen()
            for each in (road, no_sockets):
                each.give_to(ports[1])
                each.fall_silent(ports[0])
            await attempt.print("one gateway has vanished")
            await all_is_seen()

            had = [len(each.served) for each in (road, no_sockets)]
            for each in (road, no_sockets):
                each.fall_silent(*ports)
            await attempt.print("both have vanished")
            await until(lambda: len(road.served) >= had[0] + 3 and len(no_sockets.served) > had[1])
            for each in (road, no_sockets):
                each.fall_silent()
            await all_is_seen()
            last = await attempt.finish()
            for follower in following:
                assert await follower.all() == whole(last)


def test_a_request_whose_client_has_vanished_is_not_served_for_ever() -> None:
    listening = listen("127.0.0.1", 0)
    assert not isinstance(listening, str)
    listening.listen()
    with listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                assert accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
