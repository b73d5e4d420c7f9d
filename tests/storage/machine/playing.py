"""How lives are played: as many as are asked for, the same on every machine, on one database."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy.engine import URL

from tests.conftest import administer
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
FIRST = settings(LIVES, phases=(Phase.generate,), report_multiple_bugs=False)
"""For a life that is to fail: the first failure is enough, and need not be made small."""


def play(
    machine: Callable[[Yard], RuleBasedStateMachine],
    yard: Yard,
    numbers: Iterable[int],
    how: settings = LIVES,
) -> None:
    """Play the lives of some seeds."""
    for number in numbers:
        # Hypothesis keeps the seed with the function that makes a machine: each is to have its own.
        run_state_machine_as_test(seed(number)(lambda: machine(yard)), settings=how)


@contextmanager
def yard_of(server: URL, template: str, name: str) -> Iterator[Yard]:
    """One migrated database for all lives: a copy for each would take longer than the life."""
    database = f"{template}_{name}"
    asyncio.run(administer(server, f'CREATE DATABASE "{database}" TEMPLATE "{template}"'))
    # What a crash of the server would lose is nobody's here.
    asyncio.run(administer(server, f'ALTER DATABASE "{database}" SET synchronous_commit = off'))
    with Yard(server.set(database=database)) as yard:
        yield yard
    asyncio.run(administer(server, f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))
