"""Two gateways on one database are one stream: what one of them hears, the followers at the other see."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.servers import PATIENCE
from tests.stream import followers
from tests.stream.balancer import Balancer
from tests.stream.conftest import Start
from tests.stream.followers import whole
from tests.stream.gateways import Gateway
from tiltyard_orchestrator.storage.access import tokens
from tiltyard_orchestrator.storage.database import Database

Until = Callable[..., Awaitable[None]]
LOOKS, HEARS = {"poll": 0.5}, {"poll": 600}
"""A gateway whose followers look by themselves, and one whose followers know nothing without a hint."""


async def test_hints_reach_the_other_gateway_and_what_is_lost_with_the_broker_is_looked_up(
    start_site: Start, broker: Balancer, until: Until
) -> None:
    async with start_site(LOOKS, HEARS) as site:
        looking, hearing = site.gateways
        attempt = await site.running()
        at_looking = [
            followers.by_client(looking.url, attempt.job),
            followers.by_experiment(looking.url, "stream"),
        ]
        at_hearing = followers.by_client(hearing.url, attempt.job)
        await until(lambda: len(at_hearing.seen) == 2)

        site.entrance = looking
        await attempt.print("announced at the other gateway")
        await until(lambda: at_hearing.seen == [0, 1, 2])

        broker.refuse()
        site.entrance = hearing
        await attempt.print("announced to nobody")
        every = [*at_looking, at_hearing]
        await until(lambda: [follower.seen for follower in every] == [[0, 1, 2, 3]] * 3)

        broker.accept()
        site.entrance = looking
        heard = len(at_hearing.seen)
        while len(at_hearing.seen) == heard:
            await attempt.print("announced until somebody listens again")
            await asyncio.sleep(0.2)

        broker.refuse()
        site.entrance = hearing
        last = await attempt.finish()
        for follower in every:
            assert await follower.all() == whole(last)


async def test_a_client_that_lands_on_another_gateway_each_time_misses_and_repeats_nothing(
    start_site: Start, until: Until
) -> None:
    async with start_site(LOOKS, LOOKS) as site:
        attempt = await site.running()
        ports = [gateway.port for gateway in site.gateways]
        with Balancer(*ports).running() as one, Balancer(*ports).running() as many:
            following = [
                followers.by_client(one.url, attempt.job),
                followers.by_many(many.url, attempt.job),
            ]
            for _ in range(6):
                await attempt.print("one", "two", "three")
                await until(lambda: all(len(each.seen) == attempt.sent + 2 for each in following))
                one.cut()
                many.cut()
            last = await attempt.finish()
            for follower in following:
                assert await follower.all() == whole(last)
            for balancer in (one, many):
                assert balancer.served[:6] == ports * 3


async def closing(gateway: Gateway, path: str, headers: dict[str, str], opened: asyncio.Event) -> int:
    """The code that a socket is closed with, whatever it is sent before."""
    url = f"ws{gateway.url.removeprefix('http')}/api/v1{path}"
    async with connect(url, additional_headers=headers, proxy=None) as stream:
        opened.set()
        with contextlib.suppress(ConnectionClosed):
            while True:
                await stream.recv()
        return stream.close_code or 0


async def test_a_revoked_token_ends_its_streams_at_every_gateway_and_nobody_elses(
    start_site: Start, database: Database
) -> None:
    leaver = "ty_" + secrets.token_hex(8)
    async with database.transaction() as session:
        await tokens.add_token(session, name="leaver", role="user", token=leaver)
        token_id = next(row.id for row in await tokens.list_tokens(session) if row.name == "leaver")
    authorised = {"Authorization": f"Bearer {leaver}"}
    async with start_site(LOOKS, LOOKS) as site:
        attempt = await site.running()
        path = f"/jobs/{attempt.job}/events"
        staying = [followers.by_client(gateway.url, attempt.job) for gateway in site.gateways]
        streams, polls, openings = [], [], []
        for gateway in site.gateways:
            asked = f"{gateway.url}/api/v1{path}?after=1&wait=60"
            polls.append(asyncio.create_task(site.http.get(asked, headers=authorised, timeout=70)))
            for at in (path, "/events"):
                openings.append(asyncio.Event())
                streams.append(asyncio.create_task(closing(gateway, at, authorised, openings[-1])))
        await asyncio.wait_for(asyncio.gather(*(opened.wait() for opened in openings)), PATIENCE)
        async with database.transaction() as session:
            await tokens.revoke_token(session, token_id)
        assert [await asyncio.wait_for(stream, PATIENCE) for stream in streams] == [4401] * 4
        await attempt.print("not for who has left")
        for poll in polls:
            assert (await poll).status_code == 401
        last = await attempt.finish()
        for follower in staying:
            assert await follower.all() == whole(last)
