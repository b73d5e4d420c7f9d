"""Following many jobs at once: what has piled up comes by few queries, each job's in order, and every event once."""

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import Gateway, frames_of
from tests.api.test_sweeps import post, submitted

CELLS = 200
LONG = 40
"""Events of a job that is no short one."""


async def piled_up(gateway: Gateway) -> dict[str, Any]:
    """A sweep that has ended, and of which one job has many events."""
    axes = [{"parameter": "seed", "values": list(range(CELLS))}]
    sweep = await submitted(gateway, axes=axes)
    claim = await gateway.running()
    lines = [
        {"at": "2026-01-01T00:00:00Z", "kind": "log", "data": {"text": f"line {n}", "stream": "stdout"}}
        for n in range(LONG)
    ]
    await gateway.attempt(claim, "report", {"first": 0, "events": lines})
    gateway.reported[claim.token] = LONG
    await gateway.finish(claim)
    await post(gateway, f"/sweeps/{sweep['id']}/cancel")
    return sweep


def places(frames: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The `seq` of every event of each job, in the order in which they came."""
    found: dict[str, list[int]] = {}
    for frame in frames:
        if frame["kind"] != "end":
            found.setdefault(frame["job"], []).append(frame["seq"])
    return found


async def expected(gateway: Gateway, sweep: str) -> dict[str, list[int]]:
    async with gateway.parts.database.transaction() as session:
        rows = await session.execute(
            text("SELECT id, seq FROM job WHERE sweep_id = :sweep"), {"sweep": sweep}
        )
        return {job: list(range(seq + 1)) for job, seq in rows.all()}


@pytest.fixture
def questions(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often histories were asked for, one by one and together."""
    asked: Counter[str] = Counter()
    for name in ("read", "read_many"):
        real = getattr(gateway.parts.reader, name)

        def counted(*args: Any, of: str = name, ask: Any = real, **named: Any) -> Any:
            asked[of] += 1
            return ask(*args, **named)

        monkeypatch.setattr(gateway.parts.reader, name, counted)
    return asked


async def test_what_has_piled_up_comes_once_and_in_order_by_few_queries(
    gateway: Gateway, questions: Counter[str]
) -> None:
    sweep = await piled_up(gateway)
    async with gateway.socket(f"/events?sweep={sweep['id']}") as stream:
        frames = await frames_of(stream)
        assert stream.close_code == 1000
    told = await expected(gateway, sweep["id"])
    assert places(frames) == told
    ends = Counter(frame["job"] for frame in frames if frame["kind"] == "end")
    assert ends == dict.fromkeys(told, 1)
    last = {frame["job"]: frame["kind"] for frame in frames}
    assert set(last.values()) == {"end"}, "an end is behind the last event"
    assert questions.total() < CELLS / 4


@pytest.mark.parametrize("cut", [1, 37, 250])
async def test_who_was_cut_off_in_the_middle_goes_on_there(gateway: Gateway, cut: int) -> None:
    sweep = await piled_up(gateway)
    path = f"/events?sweep={sweep['id']}&resume=1"
    async with gateway.socket(path) as stream:
        await stream.send(json.dumps({"after": {}}))
        first = [json.loads(await stream.recv()) for _ in range(cut)]
    known = {frame["job"]: frame["seq"] for frame in first}
    async with gateway.socket(path) as stream:
        await stream.send(json.dumps({"after": known}))
        rest = await frames_of(stream)
    assert places(first + rest) == await expected(gateway, sweep["id"])


async def test_a_job_that_is_gone_holds_nobody_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = await piled_up(gateway)
    real = gateway.parts.reader.read_many
    gone: list[str] = []

    async def less(asked: tuple[tuple[str, int], ...]) -> Any:
        read = await real(asked)
        gone.append(asked[0][0])
        return {job: reading for job, reading in read.items() if job not in gone}

    monkeypatch.setattr(gateway.parts.reader, "read_many", less)
    async with gateway.socket(f"/events?sweep={sweep['id']}") as stream:
        frames = await frames_of(stream)
        assert stream.close_code == 1000
    told = await expected(gateway, sweep["id"])
    assert places(frames) == {job: seqs for job, seqs in told.items() if job not in gone}
    assert gone
