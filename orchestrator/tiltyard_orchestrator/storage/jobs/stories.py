"""Stories: how each attempt of a job went, read from its history."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import Event, EventKind
from tiltyard.wire.explanations import AttemptStory
from tiltyard.wire.jobs import JobState, Reason
from tiltyard_orchestrator.storage.jobs.events import as_event
from tiltyard_orchestrator.storage.tables import EventRow


async def read_stories(session: AsyncSession, job: str) -> list[AttemptStory]:
    """Every start of a job, the first one first."""
    found = await session.scalars(
        select(EventRow)
        .where(col(EventRow.job_id) == job, col(EventRow.kind) == EventKind.state)
        .order_by(col(EventRow.seq))
    )
    return tell(as_event(row) for row in found.all())


def tell(states: Iterable[Event]) -> list[AttemptStory]:
    """The attempts that a job's state events tell of."""
    stories: list[AttemptStory] = []
    running: dict[str, Any] | None = None
    for event in states:
        state, reason = JobState(str(event.data["state"])), event.data.get("reason")
        if state is JobState.running and reason is None:
            running = {"attempt": event.attempt, "worker": event.data.get("worker"), "started_at": event.at}
        elif running is not None and state is not JobState.running:
            stories.append(AttemptStory(**running, ended_at=event.at, **_ending(event, state)))
            running = None
    if running is not None:
        stories.append(AttemptStory(**running, outcome=JobState.running))
    return stories


def _ending(event: Event, state: JobState) -> dict[str, Any]:
    reason = event.data.get("reason")
    outcome = state.value
    if state is JobState.queued:
        outcome = "released" if reason == Reason.released else JobState.failed.value
    told = {name: event.data.get(name) for name in ("reason", "message", "exit_code", "signal")}
    return {"outcome": outcome, **told}
