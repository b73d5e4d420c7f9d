"""Random lives of sweeps among those of other jobs, each step compared with what was promised."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError

from tests.storage.machine.playing import FIRST, SEEDS, play, yard_of
from tests.storage.machine.sweep_mutants import MUTANTS
from tests.storage.machine.sweepers import Sweepers
from tests.storage.machine.workers import Workers
from tests.storage.machine.yard import Yard

# By weight, as in test_machine.py.
CALLS = [
    *["submit_sweep"] * 5,
    *["look"] * 6,
    *["claim"] * 6,
    *["finish"] * 7,
    *["time_passes"] * 3,
    *["pause_or_resume_sweep"] * 3,
    *["retry_sweep"] * 4,
    *["limit_sweep"] * 2,
    *["cancel_sweep"] * 3,
    *["submit_one_that_may_be_known"] * 2,
    "submit_one_that_waits",
    "follow_sweep",
    "cancel",
    "release",
    "report",
    "settle_quickly",
    "pause_or_resume",
]


class Machine(Sweepers, Workers):
    """Everybody at once, and sweeps."""

    @rule(call=st.sampled_from(CALLS), data=st.data())
    def step(self, call: str, data: st.DataObject) -> None:
        getattr(self, call)(data.draw)


@pytest.fixture(scope="module")
def yard(postgres_server: URL, template_database: str) -> Iterator[Yard]:
    with yard_of(postgres_server, template_database, "sweeps") as yard:
        yield yard


@pytest.mark.parametrize("number", range((SEEDS + 1) // 2))  # each step looks at more than a job's alone
def test_every_life_of_sweeps_goes_as_promised(yard: Yard, number: int) -> None:
    play(Machine, yard, [number])


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_wrong_with_sweeps_is_found(yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTANTS[name](monkeypatch)
    with pytest.raises((AssertionError, ValueError, IntegrityError)):
        play(Machine, yard, range(8), FIRST)
