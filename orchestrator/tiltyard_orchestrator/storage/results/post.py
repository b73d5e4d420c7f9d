"""Post metrics: values that somebody other than the job records for it, also when it has ended.

They stand beside what the job told, which they never change: no event, no state, no outcome.
"""

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.results import Metric, MetricDraft
from tiltyard_orchestrator.domain.metrics import Measurement
from tiltyard_orchestrator.storage.results.metrics import POSTED, keep, latest_metrics
from tiltyard_orchestrator.storage.tables import JobRow, PostedMetricRow


async def post_metrics(
    session: AsyncSession, job: str, drafts: Sequence[MetricDraft]
) -> dict[str, Metric] | None:
    """Record values of a job's metrics.

    Returns:
        The metrics that were named, as they stand now; None when there is no such job any more.
    """
    # Held, so that it is not exported or removed meanwhile; whoever runs it goes on.
    held = select(col(JobRow.attempt)).where(col(JobRow.id) == job).with_for_update(read=True, key_share=True)
    attempt = await session.scalar(held)
    if attempt is None:
        return None
    told = [Measurement(name=one.name, value=one.value, step=one.step) for one in drafts]
    rows = [{"job_id": job, "name": one.name, "value": one.value, "step": one.step} for one in told]
    await session.execute(insert(PostedMetricRow), rows)
    await keep(session, job, told, attempt=POSTED, current=attempt)
    named = {one.name for one in told}
    standing = (await latest_metrics(session, [job])).get(job, {})
    return {name: metric for name, metric in standing.items() if name in named}


async def posted_metrics(session: AsyncSession, job: str) -> list[Metric]:
    """All values that were posted for a job, in the order in which they were."""
    query = (
        select(PostedMetricRow)
        .where(col(PostedMetricRow.job_id) == job)
        .order_by(col(PostedMetricRow.number))
    )
    return [
        Metric(name=row.name, value=row.value, step=row.step, at=row.at, attempt=POSTED)
        for row in await session.scalars(query)
    ]
