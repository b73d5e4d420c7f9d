"""Report: an attempt's news, written once however often it is sent, and its lease renewed in the same statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.attempts import Report, ReportAnswer
from tiltyard.wire.events import EventKind, Reported
from tiltyard_orchestrator.storage.jobs.moves import append, lock_attempt, seconds
from tiltyard_orchestrator.storage.results.metrics import note_metrics
from tiltyard_orchestrator.storage.tables import JobRow


class ReportGap(ValueError):
    """A report skips events that were never delivered: the attempt's count is broken, and nothing of it is written."""


async def report(
    session: AsyncSession, *, job: str, epoch: int, news: Report, lease_seconds: float
) -> ReportAnswer | None:
    """Write the events that are new, and renew the lease.

    Returns:
        What the attempt is to do next; None when the job is not its any more.

    Raises:
        ReportGap: events before the first one here are missing.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return None
    columns: dict[str, Any] = {"lease_until": func.now() + seconds(lease_seconds)}
    if news.mlflow_run_id is not None:
        columns["mlflow_run_id"] = news.mlflow_run_id
    await append_new(session, row, news.first, news.events, **columns)
    return ReportAnswer(cancel=row.cancel_requested, lease_seconds=lease_seconds)


async def append_new(
    session: AsyncSession, row: JobRow, first: int, events: Sequence[Reported], **columns: Any
) -> None:
    """Append those of an attempt's events that it has not delivered before, and keep the metrics that they tell."""
    if first > row.reported:
        raise ReportGap(f"the next event of this attempt is its number {row.reported}, not {first}")
    undelivered = events[row.reported - first :]
    new: list[tuple[EventKind, dict[str, Any], datetime | None]] = [
        (event.kind, dict(event.data), event.at) for event in undelivered
    ]
    await note_metrics(session, row, undelivered)
    await append(session, row, new, reported=max(row.reported, first + len(events)), **columns)
