"""Many random lives of jobs, each step of which is compared with what was promised. The lives are the same on every machine.

`TILTYARD_TEST_SEEDS=200` plays more of them.
"""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError

from tests.storage.machine.callers import Callers
from tests.storage.machine.keepers import Keepers
from tests.storage.machine.mutants import MUTANTS
from tests.storage.machine.playing import FIRST, SEEDS, play, yard_of
from tests.storage.machine.workers import Workers
from tests.storage.machine.yard import Yard

# Hypothesis leaves out some of a machine's rules in each life, and a life without claims has little in it. So there is one
# rule, and its calls are drawn by weight; the first is the simplest.
CALLS = [
    *["time_passes"] * 5,
    *["look"] * 3,
    *["submit"] * 2,
    *["submit_one_that_waits"] * 2,
    *["claim"] * 8,
    *["report"] * 3,
    *["finish"] * 5,
    "settle_quickly",
    "release",
    "claim_again",
    "cancel",
    *["pause_or_resume"] * 2,
]


class Machine(Callers, Workers, Keepers):
    """Everybody at once."""

    @rule(call=st.sampled_from(CALLS), data=st.data())
    def step(self, call: str, data: st.DataObject) -> None:
        getattr(self, call)(data.draw)


@pytest.fixture(scope="module")
def yard(postgres_server: URL, template_database: str) -> Iterator[Yard]:
    with yard_of(postgres_server, template_database, "lives") as yard:
        yield yard


@pytest.mark.parametrize("number", range(SEEDS))
def test_every_life_goes_as_promised(yard: Yard, number: int) -> None:
    play(Machine, yard, [number])


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_wrong_is_found(yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTANTS[name](monkeypatch)
    # What the comparison says, what the table of moves says, or what the database says.
    with pytest.raises((AssertionError, ValueError, IntegrityError)):
        play(Machine, yard, range(8), FIRST)
