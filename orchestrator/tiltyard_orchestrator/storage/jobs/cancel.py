"""Cancel: a job that has not started ends at once; a running one is told by the answer to its next report."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import Job, JobState, Reason
from tiltyard_orchestrator.domain.lifecycle import CANCEL_REQUESTED, CANCELLED, RULES, Call
from tiltyard_orchestrator.storage.jobs.moves import append, lock, move, move_many
from tiltyard_orchestrator.storage.jobs.read import get_job
from tiltyard_orchestrator.storage.tables import JobRow


async def cancel(session: AsyncSession, job: str) -> Job | None:
    """Ask for a job's end. A job that has ended stays as it is; asking twice is asking once.

    Returns:
        The job as it stands now; None when there is no such job.
    """
    row = await lock(session, job)
    if row is None:
        return None
    await cancel_locked(session, row)
    return await get_job(session, job)


async def cancel_all(session: AsyncSession, rows: Sequence[JobRow]) -> tuple[list[str], list[str]]:
    """Ask for the end of jobs whose rows are locked.

    Returns:
        Their ids, and those of them that are running: they are asked, and end later.
    """
    jobs = [row.id for row in rows]
    running = [row for row in rows if JobState(row.state) is JobState.running]
    unstarted = [row for row in rows if JobState(row.state) in RULES[Call.cancel].sources]
    for row in running:
        await cancel_locked(session, row)
    if unstarted:
        await move_many(session, unstarted, Call.cancel, CANCELLED)
    return jobs, [row.id for row in running]


async def cancel_locked(session: AsyncSession, row: JobRow) -> None:
    """Ask for the end of a job whose row is locked."""
    state = JobState(row.state)
    if state in RULES[Call.cancel].sources:
        await move(session, row, Call.cancel, CANCELLED)
    elif state is JobState.running and not row.cancel_requested:
        told = {"state": state.value, "reason": Reason.cancel_requested.value, "message": CANCEL_REQUESTED}
        await append(session, row, [(EventKind.state, told, None)], cancel_requested=True)
