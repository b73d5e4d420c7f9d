"""What all steps share: the database as it was and as it should be, and the comparison after each step.

What a step touched must be as promised, and everything else must be as it was, in every column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.storage.machine.promise import FINAL, Life, Promise
from tests.storage.machine.yard import Row, Yard

Drawn = TypeVar("Drawn")


class Draw(Protocol):
    """How a step asks for what is random in it."""

    def __call__(self, strategy: st.SearchStrategy[Drawn]) -> Drawn: ...


def one_of(things: Sequence[Drawn], draw: Draw) -> Drawn:
    """One of some things, told by its number: a failure would show all of it otherwise."""
    return things[draw(st.integers(0, len(things) - 1))]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A claim that was answered."""

    job: str
    epoch: int
    token: str
    worker: str
    queue: str

    def lines(self, first: int, count: int) -> list[str]:
        """What it printed, by its own count."""
        return [f"line {number} of epoch {self.epoch}" for number in range(first, first + count)]


class Lives(RuleBasedStateMachine):
    """Some jobs, as they are and as they should be."""

    def __init__(self, yard: Yard) -> None:
        super().__init__()
        self.yard = yard
        self.promise = Promise()
        self.touched: set[str] = set()
        """The jobs that the running step may change."""
        self.attempts: list[Attempt] = []
        self._tokens = 0
        self._rows: dict[str, Row] = {}
        self._histories: dict[str, list[Row]] = {}
        yard.clear()

    def life(self, job: str) -> Life:
        return self.promise.jobs[job]

    def some_job(self, draw: Draw) -> Life | None:
        """A job, if there is one; more often one that runs."""
        lives = list(self.promise.jobs.values())
        running = [life for life in lives if life.state == "running"]
        return one_of(running * 2 + lives, draw) if lives else None

    def some_attempt(self, draw: Draw) -> Attempt | None:
        """An attempt, if there is one; more often one that still holds its job."""
        holding = [attempt for attempt in self.attempts if self.life(attempt.job).holds(attempt.epoch)]
        return one_of(holding * 3 + self.attempts, draw) if self.attempts else None

    def touch(self, *jobs: str) -> None:
        self.touched.update(jobs)

    @invariant()
    def everything_is_as_promised(self) -> None:
        rows, histories = self.yard.look()
        assert rows.keys() == self.promise.jobs.keys()
        for job, row in rows.items():
            if job in self._rows:
                self._goes_on(self._rows[job], row)
                _grows(self._histories[job], histories[job])
            is_sound(row, histories[job])
            _is_as_promised(self.life(job), row, histories[job])
        self.look_further(rows)
        self._rows, self._histories = rows, histories
        self.touched.clear()

    def look_further(self, rows: Mapping[str, Row]) -> None:
        """What else there is to compare after each step."""

    def _goes_on(self, before: Row, now: Row) -> None:
        if before["state"] in FINAL or now["id"] not in self.touched:
            assert now == before, "nobody may have touched it"
        assert now["epoch"] >= before["epoch"]
        if now["state"] == "running" != before["state"]:
            assert now["epoch"] > before["epoch"], "each claim has an epoch of its own"


def _grows(before: list[Row], now: list[Row]) -> None:
    assert now[: len(before)] == before, "history is written once"


def is_sound(row: Row, history: list[Row]) -> None:
    """What holds of every job, whatever happened."""
    assert [event["seq"] for event in history] == list(range(row["seq"] + 1)), "no gap, and no event beyond"
    ends = [event["seq"] for event in history if _state(event) in FINAL]
    assert ends == ([row["seq"]] if row["state"] in FINAL else []), "one end, and it is the last event"
    assert 0 <= row["attempt"] <= row["max_attempts"]
    assert row["attempt"] <= row["epoch"]
    facts: dict[str, Any] = {
        "lease_until": row["state"] == "running",
        "dispatch_at": row["state"] == "queued",
        "finished_at": row["state"] in FINAL,
    }
    assert {name: row[name] is not None for name in facts} == facts


def _is_as_promised(life: Life, row: Row, history: list[Row]) -> None:
    promised = life.row()
    assert {name: row[name] for name in promised} == promised
    assert [(event["kind"], _state(event) or event["data"].get("text")) for event in history] == life.history


def _state(event: Row) -> str | None:
    return event["data"]["state"] if event["kind"] == "state" else None
