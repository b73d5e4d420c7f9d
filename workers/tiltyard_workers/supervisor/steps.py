"""What a job's flows and steps told of themselves, and what that makes of the job's result.

A flow that failed leaves exit code 0 wherever its script does not look: here it fails the job, and so does a step. What
failed in a flow that is then run once more, by its own retries, is forgotten.
"""

import threading
from dataclasses import dataclass, replace
from typing import Any

from tiltyard.wire import JobState, Reason
from tiltyard_workers.supervisor.result import Result

MOST_FAILURES = 1_000
"""Kept; the first are the ones that are named."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A step or a flow that failed."""

    kind: str
    sentence: str
    flows: frozenset[str]
    """The flow runs that it was in, or is."""


class Steps:
    """The failures among a job's flows and steps. May be told from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: list[Failure] = []

    def told(self, kind: str, data: dict[str, Any]) -> None:
        """Note what was told of a `step` or a `flow`."""
        flows = frozenset(data.get("flows", ()))
        with self._lock:
            if data["status"] == "failed" and len(self._failures) < MOST_FAILURES:
                self._failures.append(Failure(kind=kind, sentence=_sentence(kind, data), flows=flows))
            elif (kind, data["status"]) == ("flow", "retried"):
                self._failures = [failure for failure in self._failures if not failure.flows & flows]

    def judge(self, result: Result) -> Result:
        """What a result is in the light of what was told."""
        why = self._why()
        if why is None:
            return result
        if result.state is JobState.succeeded:
            said = f"{why[0].upper()}{why[1:]}"
            return Result(state=JobState.failed, reason=Reason.step_failed, message=said)
        if result.reason is Reason.exit_code:
            return replace(result, message=f"The entry point exited with code {result.exit_code}: {why}")
        return result

    def _why(self) -> str | None:
        """The first step that failed; else the first flow. A flow most often fails by a step, which says more."""
        by_kind = sorted(self._failures, key=lambda failure: failure.kind != "step")
        return by_kind[0].sentence if by_kind else None


def _sentence(kind: str, data: dict[str, Any]) -> str:
    message = str(data.get("message") or "nothing was said of why").rstrip()
    return f"the {kind} {data['name']!r} failed: {message if message.endswith(('.', '!', '?')) else f'{message}.'}"
