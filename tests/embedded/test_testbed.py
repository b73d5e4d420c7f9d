"""What a testbed tells the parts that it starts."""

import pytest

from tiltyard_orchestrator.embedded import testbed as embedded
from tiltyard_orchestrator.embedded.data import DataFolder


async def test_limits_of_jobs_that_are_set_for_it_are_those_of_its_workers(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILTYARD_JOB_PROCESSES", "99")
    monkeypatch.setenv("TILTYARD_UNHEARD_OF", "x")
    with data.held():
        testbed = embedded.Testbed(data, port=1, workers=1, mlflow=False, say=lambda _: None)
        told = testbed.worker_environment
        await testbed.stop()
    assert told["TILTYARD_JOB_PROCESSES"] == "99"
    assert "TILTYARD_JOB_SHM_BYTES" not in told
    assert "TILTYARD_UNHEARD_OF" not in told
