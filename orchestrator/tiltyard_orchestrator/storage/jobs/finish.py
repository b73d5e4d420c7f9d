"""Finish: an attempt's result, recorded once. Its artifacts are in the store before it is sent."""

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.attempts import Finish, FinishAnswer
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.domain.lifecycle import Call, Outcome, after_finish
from tiltyard_orchestrator.storage.jobs.moves import lock_attempt, move, standing_of
from tiltyard_orchestrator.storage.jobs.report import append_new
from tiltyard_orchestrator.storage.tables import JobRow


async def finish(
    session: AsyncSession, *, job: str, epoch: int, result: Finish, backoff: Backoff
) -> FinishAnswer | None:
    """Write an attempt's last events and its result.

    A result that is sent again, because its answer was lost, changes nothing, and is told again what became of the job:
    its end, or that another attempt follows, however far that one has come.

    Returns:
        What became of the job; None when it is not this attempt's any more.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return await _answered_before(session, job, epoch)
    await append_new(session, row, result.first, result.events)
    outcome = after_finish(
        Outcome(state=result.state, reason=result.reason, message=result.message), standing_of(row)
    )
    pause = backoff.seconds(outcome.reason, attempt=row.attempt)
    told = {"exit_code": result.exit_code, "signal": result.signal}
    run_id = result.mlflow_run_id or row.mlflow_run_id
    kept = {"finished_epoch": epoch, "mlflow_run_id": run_id}
    await move(session, row, Call.finish, outcome, data=told, pause=pause, **kept)
    return FinishAnswer(state=outcome.state)


async def _answered_before(session: AsyncSession, job: str, epoch: int) -> FinishAnswer | None:
    row = await session.get(JobRow, job)
    if row is None or row.finished_epoch != epoch:
        return None
    state = JobState(row.state)
    return FinishAnswer(state=state if state.final else JobState.queued)
