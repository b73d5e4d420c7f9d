"""The suite can fail: mutants are caught. `python -m tests.faults --mutants` tries them all."""

from pathlib import Path

import pytest

from tests.faults.mutants.mutant import Mutant, seeded
from tests.faults.mutants.seeds import ALL, QUICK
from tests.faults.mutants.trial import as_line, trial
from tiltyard_orchestrator.embedded.data import Unusable

SEED = 1


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_still_finds_what_it_changes(mutant: Mutant) -> None:
    with seeded(mutant) as source:
        for change in mutant.changes:
            compile((source / change.path).read_text(), change.path, "exec")


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, compiled: Path) -> None:
    try:
        tried = trial(mutant, seed=SEED, compiled=compiled)
    except Unusable as why:
        pytest.skip(f"no PostgreSQL can be run here: {why}")
    assert tried.evidence, as_line(tried)
