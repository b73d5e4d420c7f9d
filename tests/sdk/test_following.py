"""Following survives what networks and gateways do: every event once, in order, and an end only when it is the end."""

import asyncio

import pytest

from tests.sdk.faulty import JOB, Faulty, end, event, faulty, goes_on_to, problem, said_after, sends
from tests.servers import PATIENCE, free_port
from tiltyard import AsyncClient, NotFound, Unauthorized, Unreachable
from tiltyard.wire import End, Event


async def followed(gateway: Faulty, *, after: int = -1, patience: float = 10) -> list[int | str]:
    """The numbers of the events as they came, and the end."""
    async with AsyncClient(gateway.url, "ty_any", patience=patience, retry_for=0) as client:
        return [shown(frame) async for frame in client.follow(JOB, after=after)]


def shown(frame: Event | End) -> int | str:
    return frame.seq if isinstance(frame, Event) else frame.kind


WHOLE = [0, 1, 2, 3, 4, "end"]


async def test_a_stream_that_is_left_alone_comes_whole() -> None:
    async with faulty(goes_on_to(4)) as gateway:
        assert await followed(gateway) == WHOLE
        assert gateway.asked == [-1]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013])
async def test_a_socket_that_closes_before_the_end_is_opened_again_behind_the_last_event(code: int) -> None:
    async with faulty(sends(event(0), event(1), close=code), goes_on_to(4)) as gateway:
        assert await followed(gateway) == WHOLE
        assert gateway.asked == [-1, 1]


async def test_a_cut_connection_is_opened_again_behind_the_last_event() -> None:
    async with faulty(
        sends(event(0), cut=True), sends(cut=True), sends(event(1), cut=True), goes_on_to(4)
    ) as gateway:
        assert await followed(gateway) == WHOLE
        assert gateway.asked[-1] == 1


async def test_what_is_sent_again_is_not_told_again() -> None:
    async with faulty(
        sends(event(0), event(1), event(0), event(1), event(2), close=1011),
        sends(*(event(seq) for seq in range(5)), end(4), close=1000),
    ) as gateway:
        assert await followed(gateway) == WHOLE


async def test_a_gap_is_filled_and_not_jumped() -> None:
    async with faulty(sends(event(0), event(3), event(4), end(4)), goes_on_to(4)) as gateway:
        assert await followed(gateway) == WHOLE
        assert gateway.asked == [-1, 0]


async def test_an_end_before_the_last_event_is_not_believed() -> None:
    async with faulty(sends(event(0), end(4), close=1000), goes_on_to(4)) as gateway:
        assert await followed(gateway) == WHOLE


async def test_following_begins_behind_the_event_that_is_asked_for() -> None:
    async with faulty(goes_on_to(4)) as gateway:
        assert await followed(gateway, after=2) == [3, 4, "end"]


async def test_long_polls_do_where_nothing_passes_websockets_on() -> None:
    async with faulty(refuses_sockets=True) as gateway:
        assert await followed(gateway) == WHOLE
        assert gateway.polls == 3


async def test_a_gateway_that_never_comes_back_is_unreachable_and_not_an_end() -> None:
    async with faulty(*(sends(event(0), cut=True) for _ in range(1000))) as gateway:
        with pytest.raises(Unreachable, match="cannot be reached"):
            await followed(gateway, patience=2)


async def test_a_gateway_that_only_ever_leaves_gaps_is_given_up_too() -> None:
    async with faulty(*(sends(event(3)) for _ in range(1000))) as gateway:
        with pytest.raises(Unreachable, match="events are missing"):
            await followed(gateway, patience=2)


@pytest.mark.parametrize(("code", "error"), [(4401, Unauthorized), (4404, NotFound)])
async def test_a_refusal_is_an_error_at_once(code: int, error: type[Exception]) -> None:
    async with faulty(sends(event(0), close=code)) as gateway:
        with pytest.raises(error, match="as the script says"):
            await followed(gateway)
        assert len(gateway.asked) == 1


async def test_leaving_early_closes_the_socket() -> None:
    closed = asyncio.Event()

    async def act(socket: object, after: int) -> None:
        await sends(event(0))(socket, after)  # type: ignore[arg-type]
        closed.set()

    async with faulty(act) as gateway, AsyncClient(gateway.url, "ty_any") as client:
        frames = client.follow(JOB)
        assert shown(await anext(frames)) == 0
        await frames.aclose()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()


async def test_many_jobs_come_each_in_order_and_go_on_where_each_was() -> None:
    first, second = "a" * 20, "b" * 20
    async with faulty(
        sends(event(0, first), event(0, second), event(1, first), end(1, first), cut=True),
        sends(end(1, first), event(0, second), event(1, second), end(1, second)),
    ) as gateway:
        async with AsyncClient(gateway.url, "ty_any") as client:
            frames = [
                (frame.job[0], shown(frame)) async for frame in client.follow_many(jobs=[first, second])
            ]
        assert frames == [("a", 0), ("b", 0), ("a", 1), ("a", "end"), ("b", 1), ("b", "end")]
        assert said_after(gateway.said[1]) == {first: 1, second: 0}


async def test_a_request_is_repeated_until_the_gateway_is_back() -> None:
    busy = [problem(503, "draining"), problem(502, "bad_gateway")]
    async with faulty(answers=busy) as gateway, AsyncClient(gateway.url, "ty_any") as client:
        assert [one.seq for one in await client.events(JOB)] == [0, 1, 2, 3, 4]


async def test_a_refused_request_is_not_repeated_and_says_what_is_wrong() -> None:
    refused = [problem(404, "no_such_job", "there is no job 'x'")]
    async with faulty(answers=refused) as gateway, AsyncClient(gateway.url, "ty_any") as client:
        with pytest.raises(NotFound, match="there is no job 'x'") as caught:
            await client.job(JOB)
        assert (caught.value.code, caught.value.status) == ("no_such_job", 404)


async def test_a_gateway_that_stays_away_is_told_with_its_own_words() -> None:
    away = [problem(503, "database_away", "the database does not answer") for _ in range(100)]
    async with faulty(answers=away) as gateway, AsyncClient(gateway.url, "ty_any", retry_for=0.3) as client:
        with pytest.raises(Unreachable, match="503, the database does not answer"):
            await client.job(JOB)


async def test_nothing_at_the_address_is_unreachable() -> None:
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", "ty_any", retry_for=0.2) as client:
        with pytest.raises(Unreachable, match="nothing listens there"):
            await client.job(JOB)
