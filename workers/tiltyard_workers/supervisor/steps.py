"""What a job's flows and steps told of themselves, and what that makes of the job's result.

A flow that failed leaves exit code 0 wherever its script does not look: here it fails the job, and so does a step.
"""

import threading
from dataclasses import replace
from typing import Any

from tiltyard.wire import JobState, Reason
from tiltyard_workers.supervisor.result import Result


class Steps:
    """The failures among a job's flows and steps. May be told from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}

    def told(self, kind: str, data: dict[str, Any]) -> None:
        """Note what was told of a `step` or a `flow`; the first that failed of each kind is the one to name."""
        if data["status"] == "failed":
            with self._lock:
                self._failures.setdefault(kind, _sentence(kind, data))

    def judge(self, result: Result) -> Result:
        """What a result is in the light of what was told."""
        # A flow most often fails by one of its steps, and the step says more.
        why = self._failures.get("step") or self._failures.get("flow")
        if why is None:
            return result
        if result.state is JobState.succeeded:
            said = f"{why[0].upper()}{why[1:]}"
            return Result(state=JobState.failed, reason=Reason.step_failed, message=said)
        if result.reason is Reason.exit_code:
            return replace(result, message=f"The entry point exited with code {result.exit_code}: {why}")
        return result


def _sentence(kind: str, data: dict[str, Any]) -> str:
    message = str(data.get("message") or "nothing was said of why").rstrip()
    return f"the {kind} {data['name']!r} failed: {message if message.endswith(('.', '!', '?')) else f'{message}.'}"
