"""Tell what a sweep would come to, and write nothing: how many of its cells are known, and how many jobs it would make."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.jobs.submit import check_dependencies
from tiltyard_orchestrator.storage.sweeps.submit import NewSweep, known_jobs
from tiltyard_orchestrator.storage.tables import ExperimentRow


async def foresee_sweep(session: AsyncSession, new: NewSweep) -> tuple[int, int]:
    """How many jobs a sweep would make, and how many of its cells are known already.

    Raises:
        UnknownJobs: its jobs are to wait for jobs that are not there.
    """
    waited_for = {one.job: one for cell in new.cells for one in cell.after or ()}
    await check_dependencies(session, [*new.job.after, *waited_for.values()])
    query = select(col(ExperimentRow.id)).where(col(ExperimentRow.name) == new.job.experiment)
    experiment = await session.scalar(query)
    digests = {cell.digest for cell in new.cells}
    known = await known_jobs(session, experiment, digests) if experiment else {}
    return len(digests - known.keys()), sum(cell.digest in known for cell in new.cells)
