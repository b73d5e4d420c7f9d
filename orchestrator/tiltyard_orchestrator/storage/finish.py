"""Finish: an attempt's result, recorded once. Its artifacts are in the store before it is sent."""

from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.attempts import Finish, FinishAnswer
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.lifecycle import Call, Outcome, after_finish
from tiltyard_orchestrator.storage.moves import lock_attempt, move, seconds
from tiltyard_orchestrator.storage.report import append_new
from tiltyard_orchestrator.storage.tables import JobRow

RETRY_DELAY_SECONDS = 5.0
"""Before the next attempt after a failed start; doubled each time, up to five minutes."""


async def finish(session: AsyncSession, *, job: str, epoch: int, result: Finish) -> FinishAnswer | None:
    """Write an attempt's last events and its result.

    A result that is sent again, because its answer was lost, gets the same answer and changes nothing.

    Returns:
        What became of the job; None when it is not this attempt's any more.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return await _answered_before(session, job, epoch)
    await append_new(session, row, result.first, result.events)
    outcome = after_finish(
        Outcome(state=result.state, reason=result.reason, message=result.message),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
    )
    columns: dict[str, Any] = {
        "finished_epoch": epoch,
        "mlflow_run_id": result.mlflow_run_id or row.mlflow_run_id,
    }
    if outcome.state is JobState.queued:
        delay = min(RETRY_DELAY_SECONDS * 2 ** (row.attempt - 1), 300)
        columns["dispatch_at"] = func.now() + seconds(delay)
    told = {"exit_code": result.exit_code, "signal": result.signal}
    await move(session, row, Call.finish, outcome, data=told, **columns)
    return FinishAnswer(state=outcome.state)


async def _answered_before(session: AsyncSession, job: str, epoch: int) -> FinishAnswer | None:
    row = await session.get(JobRow, job)
    if row is None or row.finished_epoch != epoch:
        return None
    return FinishAnswer(state=JobState(row.state))
