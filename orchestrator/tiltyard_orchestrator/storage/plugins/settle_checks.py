"""Settle a check: a version whose job has ended is ready, or refused with what the job printed.

The job's end is not told to the version: it is looked for, so that nothing is lost when whoever ended it is killed then.
"""

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import FINAL_STATES, JobState, Reason
from tiltyard.wire.plugins import PluginState
from tiltyard_orchestrator.storage.plugins.point import follow_newest
from tiltyard_orchestrator.storage.plugins.read import lock_plugin
from tiltyard_orchestrator.storage.tables import EventRow, JobRow, PluginVersionRow

LONGEST_PROBLEM = 16_000
"""Characters of what a check printed, its last: a traceback ends with what matters."""
MOST_EVENTS = 200
_AGAIN = "Push it again to have it checked again."
_FINAL = [state.value for state in FINAL_STATES]


async def ended_checks(session: AsyncSession, *, limit: int) -> list[tuple[str, str]]:
    """Plugin and version of some checks whose job has ended, or is gone."""
    found = await session.execute(
        select(col(PluginVersionRow.plugin), col(PluginVersionRow.version))
        .outerjoin(JobRow, col(JobRow.id) == col(PluginVersionRow.check_job))
        .where(col(PluginVersionRow.state) == PluginState.checking.value)
        .where(or_(col(JobRow.id).is_(None), col(JobRow.state).in_(_FINAL)))
        .order_by(col(PluginVersionRow.plugin), col(PluginVersionRow.number))
        .limit(limit)
    )
    return [(plugin, version) for plugin, version in found]


async def settle_check(session: AsyncSession, plugin: str, version: str) -> PluginState | None:
    """Let a version be ready, and current if it is the newest, or refuse it. None where there is nothing to settle."""
    locked = await lock_plugin(session, plugin)
    row = await session.get(PluginVersionRow, (plugin, version), populate_existing=True)
    if locked is None or row is None or row.state != PluginState.checking:
        return None
    job = None if row.check_job is None else await session.get(JobRow, row.check_job, populate_existing=True)
    if job is not None and job.state not in _FINAL:
        return None
    loaded = job is not None and job.state == JobState.succeeded
    problem = None if loaded else await _problem(session, job)
    state = PluginState.ready if loaded else PluginState.refused
    await session.execute(
        update(PluginVersionRow)
        .where(col(PluginVersionRow.plugin) == plugin, col(PluginVersionRow.version) == version)
        .values(state=state.value, problem=problem)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(row)
    if loaded:
        await follow_newest(session, locked)
    return state


async def _problem(session: AsyncSession, job: JobRow | None) -> str:
    if job is None:
        return f"The job that was to load it is gone. {_AGAIN}"
    if job.state == JobState.cancelled:
        return f"The job that was to load it was cancelled. {_AGAIN}"
    printed = (await _printed(session, job.id)).strip()
    said = job.message or "The job that was to load it failed."
    if job.reason == Reason.exit_code and printed:
        return printed
    if job.reason in {Reason.worker_lost, Reason.start_failed}:
        said = f"{said} {_AGAIN}"
    return f"{said}\n{printed}".strip()


async def _printed(session: AsyncSession, job: str) -> str:
    """The end of what a job printed."""
    found = await session.scalars(
        select(col(EventRow.data))
        .where(col(EventRow.job_id) == job, col(EventRow.kind) == EventKind.log.value)
        .order_by(col(EventRow.seq).desc())
        .limit(MOST_EVENTS)
    )
    text = "".join(str(data.get("text", "")) for data in reversed(found.all()))
    return text[-LONGEST_PROBLEM:]
