"""The explorer finds what it is there to find: each wrong protocol breaks the promise that it should."""

from textwrap import dedent

import pytest

from tests.model.explore import Exploration, Violation
from tests.model.mutants import MUTANTS


def found(name: str) -> Violation:
    violation = Exploration(MUTANTS[name].explored()).run().violation
    assert violation is not None, f"nothing was found wrong with {name}"
    print(violation)
    return violation


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_protocol_breaks_its_promise(name: str) -> None:
    assert found(name).broken == MUTANTS[name].breaks


def test_a_violation_is_told_by_the_shortest_way_there() -> None:
    assert str(found("a finish that asks for no epoch")) == dedent("""\
        This does not hold: the result that is recorded is that of the epoch that was running. It takes 9 steps:
          1. the first job is submitted
          2. the keeper rings for the first job
          3. a worker hears a bell and claims the first job, epoch 1
          4. the lease of the first job, whose worker is frozen or cut off, runs out
          5. the keeper takes the lease of the first job away: queued
          6. the keeper rings for the first job
          7. a worker hears a bell and claims the first job, epoch 3
          8. the worker of epoch 1 of the first job comes to its end: success
          9. the worker of epoch 1 of the first job sends success: the first job is succeeded""")
