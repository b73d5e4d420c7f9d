"""The stream's promise: every follower sees every event once, in order, to the end, whatever happens on the way."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.api.conftest import USER, WORKER, Cable, Gateway, Start, frames_of, log_of
from tests.servers import PATIENCE
from tiltyard_api.parts import Pace
from tiltyard_orchestrator.storage.access import tokens

Until = Callable[..., Awaitable[None]]


def seqs(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if frame["kind"] != "end"]


async def read_out(stream: Any) -> tuple[list[dict[str, Any]], int, str]:
    """The frames that come until a socket is closed, and the code and the reason that it is closed with."""
    frames = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            frames.append(json.loads(await asyncio.wait_for(stream.recv(), PATIENCE)))
    return frames, stream.close_code, stream.close_reason


async def closing_of(stream: Any) -> tuple[int, str]:
    """The code and the reason that a socket is closed with; its frames are read and dropped."""
    return (await read_out(stream))[1:]


async def test_a_follower_sees_history_then_news_then_the_end(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.report(claim, log_of("before"))
    async with gateway.socket(f"/jobs/{claim.job}/events") as stream:
        following = asyncio.create_task(frames_of(stream))
        await gateway.report(claim, log_of("during"), log_of("more"))
        await gateway.finish(claim)
        *events, end = await asyncio.wait_for(following, PATIENCE)
    assert seqs(events) == [0, 1, 2, 3, 4, 5]
    assert [event["kind"] for event in events] == ["state", "state", "log", "log", "log", "state"]
    assert end == {"job": claim.job, "kind": "end", "state": "succeeded", "seq": 5}
    assert stream.close_code == 1000


async def test_a_follower_of_an_ended_job_gets_what_is_missing_and_the_end(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.finish(claim)
    for after, missing in ((-1, [0, 1, 2]), (1, [2]), (2, [])):
        async with gateway.socket(f"/jobs/{claim.job}/events?after={after}") as stream:
            frames = await asyncio.wait_for(frames_of(stream), PATIENCE)
        assert seqs(frames) == missing
        assert frames[-1]["kind"] == "end"


async def test_an_event_is_told_at_once_and_not_at_the_next_poll(start_gateway: Start) -> None:
    async with start_gateway(Pace(poll=600)) as gateway:
        claim = await gateway.running()
        async with gateway.socket(f"/jobs/{claim.job}/events?after=1") as stream:
            await gateway.report(claim, log_of("now"))
            assert json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))["seq"] == 2


async def test_an_event_whose_hint_was_lost_is_told_at_the_next_poll(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await gateway.running()
    monkeypatch.setattr(gateway.parts.hints, "announce", lambda _job: None)
    async with gateway.socket(f"/jobs/{claim.job}/events?after=1") as one, gateway.socket("/events") as many:
        await gateway.report(claim, log_of("unsaid"))
        assert json.loads(await asyncio.wait_for(one.recv(), PATIENCE))["data"]["text"] == "unsaid"
        heard = [json.loads(await asyncio.wait_for(many.recv(), PATIENCE)) for _ in range(3)]
        assert seqs(heard) == [0, 1, 2]


async def test_hundreds_of_pages_come_without_a_gap(gateway: Gateway) -> None:
    claim = await gateway.running()
    for start in range(0, 2000, 1000):
        await gateway.report(claim, *(log_of(f"line {start + line}") for line in range(1000)))
    await gateway.finish(claim)
    async with gateway.socket(f"/jobs/{claim.job}/events") as stream:
        frames = await asyncio.wait_for(frames_of(stream), PATIENCE)
    assert seqs(frames) == list(range(2003))


async def test_two_hundred_followers_of_one_job_each_see_it_all(gateway: Gateway) -> None:
    claim = await gateway.running()

    async def follow() -> list[dict[str, Any]]:
        async with gateway.socket(f"/jobs/{claim.job}/events", open_timeout=30) as stream:
            return await frames_of(stream)

    following = [asyncio.create_task(follow()) for _ in range(200)]
    for number in range(30):
        await gateway.report(claim, log_of(f"line {number}"))
    await gateway.finish(claim)
    for frames in await asyncio.wait_for(asyncio.gather(*following), PATIENCE):
        assert seqs(frames) == list(range(33))
        assert frames[-1]["kind"] == "end"


async def test_a_follower_that_is_cut_off_again_and_again_misses_and_repeats_nothing(
    gateway: Gateway,
) -> None:
    claim = await gateway.running()

    async def write() -> None:
        for number in range(60):
            await gateway.report(claim, log_of(f"line {number}"))
        await gateway.finish(claim)

    writing = asyncio.create_task(write())
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["kind"] != "end":
        after = seen[-1]["seq"] if seen else -1
        async with gateway.socket(f"/jobs/{claim.job}/events?after={after}") as stream:
            for _ in range(7):
                seen.append(json.loads(await asyncio.wait_for(stream.recv(), PATIENCE)))
                if seen[-1]["kind"] == "end":
                    break
    await writing
    assert seqs(seen) == list(range(63))


async def test_a_follower_that_stops_reading_is_closed_and_told_why_when_it_reads_again(
    start_gateway: Start, until: Until
) -> None:
    async with (
        start_gateway(Pace(poll=0.3, send=0.5, farewell=PATIENCE)) as gateway,
        start_gateway(Pace(poll=0.3)) as patient,
    ):
        claim = await gateway.running()
        for _ in range(20):
            await gateway.report(claim, *(log_of("x" * 60_000) for _ in range(10)))
        await gateway.finish(claim)
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", int(gateway.url.rsplit(":", 1)[1])))
        async with gateway.socket(f"/jobs/{claim.job}/events", sock=narrow, max_queue=1) as stream:
            await until(lambda: not gateway.parts.hints._by_job)  # nobody reads for it any more
            seen, code, _ = await read_out(stream)
        assert code == 1013
        assert seqs(seen) == list(range(len(seen)))
        assert seen[-1]["kind"] != "end"
        async with patient.socket(f"/jobs/{claim.job}/events?after={seen[-1]['seq']}") as stream:
            rest = await asyncio.wait_for(frames_of(stream), PATIENCE)
        assert seqs(seen + rest) == list(range(203))
        assert rest[-1]["kind"] == "end"


async def test_a_slow_follower_delays_nobody(start_gateway: Start) -> None:
    async with start_gateway(Pace(poll=0.3, send=600)) as gateway:
        claim = await gateway.running()
        async with gateway.socket(f"/jobs/{claim.job}/events", max_queue=1, close_timeout=0.1) as asleep:
            async with gateway.socket(f"/jobs/{claim.job}/events") as awake:
                for _ in range(20):
                    await gateway.report(claim, *(log_of("x" * 60_000) for _ in range(10)))
                await gateway.finish(claim)
                assert len(await asyncio.wait_for(frames_of(awake), PATIENCE)) == 204
            await asleep.close()


async def test_a_database_that_is_away_for_a_while_ends_no_stream(start_gateway: Start, cable: Cable) -> None:
    async with start_gateway(Pace(poll=0.1), database_url=cable.url) as gateway:
        claim = await gateway.running()
        async with gateway.socket(f"/jobs/{claim.job}/events?after=1") as stream:
            await cable.cut()
            assert (await gateway.user.get("/jobs")).json()["code"] == "database_unavailable"
            await cable.mend()
            await gateway.report(claim, log_of("after all"))
            assert json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))["data"]["text"] == "after all"


async def test_a_database_that_stays_away_sends_followers_elsewhere(
    start_gateway: Start, cable: Cable
) -> None:
    async with start_gateway(Pace(poll=0.1, patience=0.5), database_url=cable.url) as gateway:
        job = await gateway.submit()
        async with gateway.socket(f"/jobs/{job.id}/events?after=0") as stream:
            await cable.cut()
            assert (await closing_of(stream))[0] == 1013
        async with gateway.socket(f"/jobs/{job.id}/events") as stream:
            assert (await closing_of(stream))[0] == 1013
        await cable.mend()


@pytest.mark.parametrize("path", ["/jobs/feedfacefeed/events", "/events?job=feedfacefeed"])
async def test_a_job_that_is_not_there_is_closed_with_4404(gateway: Gateway, path: str) -> None:
    async with gateway.socket(path) as stream:
        code, reason = await closing_of(stream)
    assert code == 4404
    assert "feedfacefeed" in reason


@pytest.mark.parametrize("after", ["5", "-2", "x", "1.5", "9223372036854775808", "٣", ""])
async def test_a_bad_after_is_closed_with_4400(gateway: Gateway, after: str) -> None:
    job = await gateway.submit()
    async with gateway.socket(f"/jobs/{job.id}/events?after={after}") as stream:
        assert (await closing_of(stream))[0] == 4400


@pytest.mark.parametrize("token", [None, "ty_wrong", "ü"])
async def test_who_shows_no_good_token_is_closed_with_4401(gateway: Gateway, token: str | None) -> None:
    job = await gateway.submit()
    for path in (f"/jobs/{job.id}/events", "/events", f"/jobs/{job.id}/events?ticket=tyt_wrong"):
        async with gateway.socket(path, token=token and token.encode().decode("latin-1")) as stream:
            assert (await closing_of(stream))[0] == 4401


async def test_a_workers_token_is_closed_with_4403(gateway: Gateway) -> None:
    async with gateway.socket("/events", token=WORKER) as stream:
        assert (await closing_of(stream))[0] == 4403


async def test_a_page_of_another_site_is_closed_with_4403_and_one_of_ours_is_not(gateway: Gateway) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1", "http://[", ""):
        async with gateway.socket("/events", headers={"Origin": origin}) as stream:
            assert (await closing_of(stream))[0] == 4403
    job = await gateway.submit()
    async with gateway.socket(f"/jobs/{job.id}/events", headers={"Origin": gateway.url}) as stream:
        assert json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))["seq"] == 0


async def test_there_is_no_socket_below_mlflow(gateway: Gateway) -> None:
    sent = {"Authorization": f"Bearer {USER}"}
    address = f"ws{gateway.url.removeprefix('http')}/mlflow/graphql"
    async with connect(address, additional_headers=sent, proxy=None) as stream:
        assert await closing_of(stream) == (4404, "nothing below /mlflow is a WebSocket")


async def test_a_ticket_opens_one_socket_once(gateway: Gateway) -> None:
    job = await gateway.submit()
    ticket = (await gateway.user.post("/tickets")).json()["ticket"]
    path = f"/jobs/{job.id}/events?ticket={ticket}"
    async with gateway.socket(path, token=None) as stream:
        assert json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))["seq"] == 0
    async with gateway.socket(path, token=None) as stream:
        assert (await closing_of(stream))[0] == 4401


@pytest.mark.parametrize("by_ticket", [False, True])
async def test_a_revoked_token_ends_its_streams(gateway: Gateway, by_ticket: bool) -> None:
    job = await gateway.submit()
    async with gateway.parts.database.transaction() as session:
        await tokens.add_token(session, name="leaver", role="user", token="ty_leaver")
        token_id = next(row.id for row in await tokens.list_tokens(session) if row.name == "leaver")
    leaver = {"Authorization": "Bearer ty_leaver"}
    ticket = (await gateway.nobody.post("/tickets", headers=leaver)).json()["ticket"]
    path = f"/jobs/{job.id}/events" + (f"?ticket={ticket}" if by_ticket else "")
    async with gateway.socket(path, token=None if by_ticket else "ty_leaver") as stream:
        await stream.recv()
        async with gateway.parts.database.transaction() as session:
            await tokens.revoke_token(session, token_id)
        assert (await closing_of(stream))[0] == 4401


async def test_a_follower_that_talks_is_closed_with_4400(gateway: Gateway) -> None:
    job = await gateway.submit()
    for path in (f"/jobs/{job.id}/events", "/events"):
        async with gateway.socket(path) as stream:
            await stream.send("hello?")
            assert (await closing_of(stream))[0] == 4400


async def test_a_gateway_that_stops_says_so(gateway: Gateway) -> None:
    job = await gateway.submit()
    polling = asyncio.create_task(gateway.user.get(f"/jobs/{job.id}/events", params={"after": 0, "wait": 60}))
    async with gateway.socket(f"/jobs/{job.id}/events") as one, gateway.socket("/events") as many:
        await one.recv()
        gateway.parts.draining.set()
        assert (await closing_of(one))[0] == (await closing_of(many))[0] == 1001
    answer = await asyncio.wait_for(polling, PATIENCE / 2)
    assert answer.json() == {"events": [], "end": None, "seq": 0}


async def test_a_job_that_is_deleted_under_its_follower_is_closed_with_4404(gateway: Gateway) -> None:
    job = await gateway.submit(experiment="gone")
    claim = await gateway.claim(job.id)
    async with gateway.socket(f"/jobs/{job.id}/events") as stream:
        await stream.recv()
        await stream.recv()
        await gateway.finish(claim)
        await gateway.user.delete("/experiments/gone")
        code, _ = await closing_of(stream)
    assert code in {1000, 4404}, "the end was sent before, or there is nothing left to end"


# -- many jobs ------------------------------------------------------------------------------------------------------


async def test_one_socket_follows_every_job_of_an_experiment_and_those_to_come(gateway: Gateway) -> None:
    first = await gateway.running(experiment="sweep")
    await gateway.submit(experiment="other")
    async with gateway.socket("/events?experiment=sweep") as stream:
        second = await gateway.running(experiment="sweep")
        for claim in (first, second):
            await gateway.report(claim, log_of("hello"))
            await gateway.finish(claim)
        seen: dict[str, list[dict[str, Any]]] = {first.job: [], second.job: []}
        while not all(frames and frames[-1]["kind"] == "end" for frames in seen.values()):
            frame = json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))
            seen[frame["job"]].append(frame)
    for frames in seen.values():
        assert seqs(frames) == [0, 1, 2, 3]


async def test_a_stream_of_named_jobs_ends_when_they_have_ended(gateway: Gateway) -> None:
    claims = [await gateway.running() for _ in range(3)]
    path = "/events?" + "&".join(f"job={claim.job}" for claim in claims)
    async with gateway.socket(path) as stream:
        following = asyncio.create_task(frames_of(stream))
        for claim in claims:
            await gateway.finish(claim)
        frames = await asyncio.wait_for(following, PATIENCE)
    assert stream.close_code == 1000
    assert sorted(frame["job"] for frame in frames if frame["kind"] == "end") == sorted(c.job for c in claims)


async def test_a_follower_of_many_goes_on_where_it_was(gateway: Gateway) -> None:
    one, two = await gateway.running(), await gateway.running()
    await gateway.report(one, log_of("a"), log_of("b"))
    await gateway.finish(one)
    async with gateway.socket("/events?resume=1") as stream:
        await stream.send(json.dumps({"after": {one.job: 2, two.job: 1}}))
        frames = [json.loads(await asyncio.wait_for(stream.recv(), PATIENCE)) for _ in range(3)]
        assert [(frame["job"], frame["seq"]) for frame in frames] == [
            (one.job, 3),
            (one.job, 4),
            (one.job, 4),
        ]
        await gateway.report(two, log_of("c"))
        assert json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))["seq"] == 2


@pytest.mark.parametrize(
    "said", ["", "{", "[]", '{"after": []}', '{"after": {"x": -2}}', '{"after": {"x": true}}', '{"after": {}, "x": 1}',
             '{"after": {"x": 9223372036854775808}}', b"\x00", "[" * 100_000],
)  # fmt: skip
async def test_a_first_message_that_says_something_else_is_closed_with_4400(
    gateway: Gateway, said: str | bytes
) -> None:
    async with gateway.socket("/events?resume=1") as stream:
        await stream.send(said)
        assert (await closing_of(stream))[0] == 4400


async def test_a_busy_neighbour_does_not_hide_a_lost_hint(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, busy = await gateway.running(experiment="both"), await gateway.running(experiment="both")
    announce = gateway.parts.hints.announce
    monkeypatch.setattr(gateway.parts.hints, "announce", lambda job: job == quiet.job or announce(job))
    async with gateway.socket("/events?experiment=both") as stream:
        await gateway.report(quiet, log_of("unsaid"))

        async def chatter() -> None:
            while True:
                await gateway.report(busy, log_of("chatter"))

        chattering = asyncio.create_task(chatter())
        heard: dict[str, Any] = {}
        while heard.get("data", {}).get("text") != "unsaid":
            heard = json.loads(await asyncio.wait_for(stream.recv(), PATIENCE))
        chattering.cancel()
        await asyncio.gather(chattering, return_exceptions=True)


# -- the long poll --------------------------------------------------------------------------------------------------


async def test_a_long_poll_reads_the_same_history_to_the_same_end(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.report(claim, *(log_of(f"line {number}") for number in range(250)))
    await gateway.finish(claim)
    seen: list[int] = []
    after, end = -1, None
    while end is None:
        page = (await gateway.user.get(f"/jobs/{claim.job}/events", params={"after": after})).json()
        seen += [event["seq"] for event in page["events"]]
        after, end = page["seq"], page["end"]
    assert seen == list(range(253))
    assert end == {"job": claim.job, "kind": "end", "state": "succeeded", "seq": 252}


async def test_a_long_poll_answers_when_something_happens_or_the_time_is_up(gateway: Gateway) -> None:
    claim = await gateway.running()
    path = f"/jobs/{claim.job}/events"
    polling = asyncio.create_task(gateway.user.get(path, params={"after": 1, "wait": 60}))
    await gateway.report(claim, log_of("news"))
    page = (await asyncio.wait_for(polling, PATIENCE / 2)).json()
    assert [event["seq"] for event in page["events"]] == [2]
    nothing = await gateway.user.get(path, params={"after": 2, "wait": 0.2})
    assert nothing.json() == {"events": [], "end": None, "seq": 2}


async def test_a_long_poll_beyond_the_end_is_refused(gateway: Gateway) -> None:
    job = await gateway.submit()
    answer = await gateway.user.get(f"/jobs/{job.id}/events", params={"after": 1})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?after")


@pytest.mark.parametrize(
    "query", ["", "?experiment=x", "?sweep=x", "?job=a&job=b&resume=1", "?experiment=x&ticket=t"]
)
async def test_many_jobs_without_an_upgrade_are_told_to_upgrade(gateway: Gateway, query: str) -> None:
    answer = await gateway.user.get(f"/events{query}")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.json()["code"] == "upgrade_required"
