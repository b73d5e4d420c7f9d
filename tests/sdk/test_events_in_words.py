"""How `tiltyard events` says events to a person."""

from datetime import UTC, datetime

import pytest

from tiltyard.cli.events import in_words
from tiltyard.wire import Event, EventKind
from tiltyard.wire.model import Json


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "train", "status": "started"}, "train started"),
        ({"name": "train", "status": "finished", "seconds": 12.3456}, "train finished after 12.3 s"),
        ({"name": "train", "status": "failed", "seconds": 0.5, "message": "no data"}, "train failed after 0.5 s: no data"),
        ({"name": "score", "status": "skipped", "message": "what it needs did not succeed"},
         "score skipped: what it needs did not succeed"),
    ],
)  # fmt: skip
def test_a_step_is_told_with_how_long_it_took_and_why_it_failed(data: dict[str, Json], words: str) -> None:
    event = Event(job="j", seq=3, at=datetime.now(UTC), kind=EventKind.step, attempt=1, data=data)
    assert in_words(event) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "acc", "value": 0.5, "step": 3}, "acc = 0.5 at step 3"),
        ({"name": "acc", "value": 0.5, "step": 3, "run": "1f", "run_name": "fold 1"}, "acc = 0.5 at step 3 of run fold 1"),
        ({"name": "acc", "value": 0.5, "step": 3, "run": "1f"}, "acc = 0.5 at step 3 of run 1f"),
    ],
)  # fmt: skip
def test_a_metric_of_another_run_is_told_with_the_runs_name(data: dict[str, Json], words: str) -> None:
    event = Event(job="j", seq=3, at=datetime.now(UTC), kind=EventKind.metric, attempt=1, data=data)
    assert in_words(event) == words
