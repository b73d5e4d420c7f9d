"""Runs: which job a run in MLflow stands beside."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.tables import JobRow


async def jobs_of_runs(session: AsyncSession, runs: Collection[str]) -> dict[str, str]:
    """The jobs of runs, by run; a run of no job is not among them."""
    if not runs:
        return {}
    query = select(col(JobRow.mlflow_run_id), col(JobRow.id)).where(col(JobRow.mlflow_run_id).in_(runs))
    return {run: job for run, job in await session.execute(query) if run is not None}
