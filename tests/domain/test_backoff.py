"""The pause before another attempt."""

import pytest

from tiltyard.wire.jobs import Reason
from tiltyard_orchestrator.domain.backoff import Backoff

BACKOFF = Backoff(first=5, longest=300)


@pytest.mark.parametrize(
    ("reason", "pauses"),
    [
        (Reason.start_failed, [5, 10, 20, 40]),
        (Reason.exit_code, [5, 10, 20, 40]),
        (Reason.worker_lost, [0, 5, 10, 20]),
        (Reason.released, [0, 0, 0, 0]),
    ],
)
def test_it_doubles_but_a_lease_was_a_pause_already(reason: Reason, pauses: list[float]) -> None:
    assert [BACKOFF.seconds(reason, attempt=attempt) for attempt in range(1, 5)] == pauses


def test_it_has_an_upper_end() -> None:
    assert BACKOFF.seconds(Reason.start_failed, attempt=100) == 300
