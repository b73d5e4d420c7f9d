"""Every state that the protocol can come to, within bounds: nothing that was promised is broken in any of them."""

from dataclasses import dataclass

import pytest
from typing_extensions import override

from tests.model.explore import Exploration
from tests.model.protocol import Job, Protocol
from tests.model.world import World
from tiltyard.wire.jobs import Condition
from tiltyard_orchestrator.domain.lifecycle import RULES, Call, Outcome


class ThreeAttempts(Protocol):
    max_attempts = 3


class AfterSuccess(Protocol):
    condition = Condition.succeeded


class AfterFailure(Protocol):
    condition = Condition.failed


class AfterAnyEnd(Protocol):
    condition = Condition.any


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A world, and how many states it has at least: a model that became trivial would have fewer."""

    world: World
    states: int


WORLDS = {
    "a job and three workers, in a queue that is paused": Expected(
        world=World(protocol=Protocol(), workers=3, queue_timeout=True, pauses=True), states=14_000
    ),
    "a job of three attempts": Expected(world=World(protocol=ThreeAttempts()), states=24_000),
    "a job that waits for a success": Expected(
        world=World(protocol=AfterSuccess(), jobs=2, bells=1, stops=0), states=10_000
    ),
    "a job that waits for a failure": Expected(
        world=World(protocol=AfterFailure(), jobs=2, bells=1, stops=0), states=17_000
    ),
    "a job that waits for any end": Expected(
        world=World(protocol=AfterAnyEnd(), jobs=2, bells=1, stops=0), states=43_000
    ),
    "two jobs that share two workers": Expected(
        world=World(protocol=Protocol(), jobs=2, bells=1, stops=0, cancels=False), states=24_000
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_promised_holds_in_every_state(name: str) -> None:
    expected = WORLDS[name]
    explored = Exploration(expected.world).run()
    print(f"{name}: {explored.states:,} states, {explored.steps:,} steps")
    assert explored.violation is None, str(explored.violation)
    assert explored.states >= expected.states


class Watched(AfterAnyEnd):
    """Notes which calls moved a job."""

    max_attempts = 1

    def __init__(self) -> None:
        self.seen: set[Call] = set()

    @override
    def _move(self, job: Job, call: Call, outcome: Outcome) -> Job:
        self.seen.add(call)
        return super()._move(job, call, outcome)


def test_every_call_of_the_table_is_explored() -> None:
    watched = Watched()
    Exploration(World(protocol=watched, jobs=2, workers=1, bells=1, queue_timeout=True)).run()
    assert watched.seen == set(RULES) - {Call.submit}
