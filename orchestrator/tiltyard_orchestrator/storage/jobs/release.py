"""Release: a worker that is stopped hands its job back. The attempt does not count; the next worker starts it anew."""

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.lifecycle import Call, after_release
from tiltyard_orchestrator.storage.jobs.moves import lock_attempt, move
from tiltyard_orchestrator.storage.results.metrics import forget_attempt


async def release(session: AsyncSession, *, job: str, epoch: int) -> JobState | None:
    """Give a running job back to its queue.

    Returns:
        Where it went; None when it was not this attempt's to give.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return None
    outcome = after_release(cancel_requested=row.cancel_requested)
    await forget_attempt(session, row)
    await move(session, row, Call.release, outcome, attempt=row.attempt - 1)
    return outcome.state
