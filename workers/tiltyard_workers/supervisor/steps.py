"""What a job's flows and steps told of themselves, and what that makes of the job's result.

A flow that failed leaves exit code 0 wherever its script does not look: here it fails the job, and so does a step. So does a
flow that began and told no end: its process ended inside it (`os._exit(0)` in a library), and no exit code says so. What failed
in a flow that is then run once more, by its own retries, is forgotten.
"""

import threading
from dataclasses import dataclass, replace
from typing import Any

from tiltyard.wire import JobState, Reason
from tiltyard_workers.supervisor.result import Result

MOST_FAILURES = 1_000
"""Kept; the first are the ones that are named."""
MOST_NAMED = 3
"""Steps that a process ended inside of."""


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
        self._open_flows: dict[str, str] = {}
        self._open_steps: list[str] = []

    def told(self, kind: str, data: dict[str, Any]) -> None:
        """Note what was told of a `step` or a `flow`."""
        flows = frozenset(data.get("flows", ()))
        with self._lock:
            if kind == "flow":
                self._note_flow(data)
            else:
                self._note_step(data)
            if data["status"] == "failed" and len(self._failures) < MOST_FAILURES:
                self._failures.append(Failure(kind=kind, sentence=_sentence(kind, data), flows=flows))
            elif (kind, data["status"]) == ("flow", "retried"):
                self._failures = [failure for failure in self._failures if not failure.flows & flows]

    def _note_flow(self, data: dict[str, Any]) -> None:
        for run in data.get("flows", ())[:1]:  # the innermost, which is the flow itself
            if data["status"] == "started":
                self._open_flows[run] = str(data["name"])
            elif data["status"] in ("finished", "failed"):
                self._open_flows.pop(run, None)

    def _note_step(self, data: dict[str, Any]) -> None:
        name, status = str(data["name"]), data["status"]
        if status == "started" and len(self._open_steps) < MOST_FAILURES:
            self._open_steps.append(name)
        elif status in ("finished", "failed") and name in self._open_steps:
            self._open_steps.remove(name)

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
        return by_kind[0].sentence if by_kind else self._broken_off()

    def _broken_off(self) -> str | None:
        """What did not come to its end, if nothing failed."""
        if not self._open_flows:
            return None
        inside = ", ".join(f"the step {name!r}" for name in self._open_steps[:MOST_NAMED])
        flow = next(iter(self._open_flows.values()))
        return f"the flow {flow!r} did not come to its end: its process ended inside {inside or 'it'}."


def _sentence(kind: str, data: dict[str, Any]) -> str:
    message = str(data.get("message") or "nothing was said of why").rstrip()
    return f"the {kind} {data['name']!r} failed: {message if message.endswith(('.', '!', '?')) else f'{message}.'}"
