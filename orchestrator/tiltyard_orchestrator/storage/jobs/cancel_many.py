"""Cancel many: every job that fits a filter and has not ended, a few hundred in a transaction."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import FINAL_STATES
from tiltyard_orchestrator.storage.jobs.cancel import cancel_all
from tiltyard_orchestrator.storage.jobs.read import JobFilter, conditions
from tiltyard_orchestrator.storage.tables import ExperimentRow, JobRow

ALIVE = col(JobRow.state).not_in([state.value for state in FINAL_STATES])


async def count_alive(session: AsyncSession, wanted: JobFilter) -> int:
    """How many jobs fit and have not ended."""
    query = (
        select(func.count())
        .select_from(JobRow)
        .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
        .where(ALIVE, *conditions(wanted))
    )
    return int((await session.execute(query)).scalar_one())


async def cancel_some(
    session: AsyncSession, wanted: JobFilter, *, after: str, limit: int = 200
) -> tuple[list[str], list[str]]:
    """Ask for the end of the next jobs that fit, in the order of their ids.

    Returns:
        All that were met, and those of them that were running: they are asked, and end later.
    """
    query = (
        select(JobRow)
        .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
        .where(ALIVE, col(JobRow.id) > after, *conditions(wanted))
        .order_by(col(JobRow.id))
        .limit(limit)
        .with_for_update(of=JobRow, key_share=True)
    )
    return await cancel_all(session, (await session.scalars(query)).all())
