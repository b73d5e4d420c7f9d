"""One bite of each fault that is quickly injected; `make faults` does them all, many times."""

import os
from pathlib import Path

import pytest

from tests.faults.broker import rabbitmq_scripts
from tests.faults.injections import CHEAP
from tests.faults.report import as_markdown, failed
from tests.faults.run import run
from tiltyard_orchestrator.embedded.data import Unusable

SEED = 1


@pytest.mark.timeout(1200)
def test_no_fault_loses_doubles_or_falsifies_a_job(compiled: Path) -> None:
    if rabbitmq_scripts() is None and os.environ.get("TILTYARD_TEST_REQUIRE_SITE"):
        pytest.fail("RabbitMQ is not installed here: faults cannot be tried on what a site runs")
    try:
        outcome = run(CHEAP, count=len(CHEAP), seed=SEED, compiled=compiled)
    except Unusable as why:
        pytest.skip(f"no PostgreSQL can be run here: {why}")
    assert not failed(outcome), as_markdown(outcome)
    assert {bite.fault for bite in outcome.bites if bite.bit} == {fault.name for fault in CHEAP}
