"""Many random lives of jobs, each step of which is compared with what was promised. The lives are the same on every machine.

`TILTYARD_TEST_SEEDS=200` plays more of them.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError

from tests.conftest import administer
from tests.storage.machine.callers import Callers
from tests.storage.machine.keepers import Keepers
from tests.storage.machine.mutants import MUTANTS
from tests.storage.machine.workers import Workers
from tests.storage.machine.yard import Yard

SEEDS = int(os.environ.get("TILTYARD_TEST_SEEDS", "8"))
LIVES = settings(
    # More of one seed are more of the same: Hypothesis then goes on from what it has, and that is slow to find new things.
    max_examples=10,
    stateful_step_count=40,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
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


def play(yard: Yard, numbers: Iterable[int], how: settings = LIVES) -> None:
    """Play the lives of some seeds."""

    class Played(Machine):
        def __init__(self) -> None:
            super().__init__(yard)

    for number in numbers:
        run_state_machine_as_test(seed(number)(Played), settings=how)


@pytest.fixture(scope="module")
def yard(postgres_server: URL, template_database: str) -> Iterator[Yard]:
    """One migrated database for all lives: a copy for each would take longer than the life."""
    name = f"{template_database}_lives"
    asyncio.run(administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    # What a crash of the server would lose is nobody's here.
    asyncio.run(administer(postgres_server, f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
    with Yard(postgres_server.set(database=name)) as yard:
        yield yard
    asyncio.run(administer(postgres_server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(SEEDS))
def test_every_life_goes_as_promised(yard: Yard, number: int) -> None:
    play(yard, [number])


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_wrong_is_found(yard: Yard, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTANTS[name](monkeypatch)
    first = settings(LIVES, phases=(Phase.generate,), report_multiple_bugs=False)
    # What the comparison says, what the table of moves says, or what the database says.
    with pytest.raises((AssertionError, ValueError, IntegrityError)):
        play(yard, range(8), first)
