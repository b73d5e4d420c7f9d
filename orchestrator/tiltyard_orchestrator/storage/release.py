"""Release: a worker that is stopped hands its job back. The attempt does not count; the next worker starts it anew."""

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard_orchestrator.domain.lifecycle import Call, after_release
from tiltyard_orchestrator.storage.moves import lock_attempt, move


async def release(session: AsyncSession, *, job: str, epoch: int) -> bool:
    """Give a running job back to its queue.

    Returns:
        Whether it was this attempt's to give.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return False
    outcome = after_release(cancel_requested=row.cancel_requested)
    await move(session, row, Call.release, outcome, attempt=row.attempt - 1)
    return True
