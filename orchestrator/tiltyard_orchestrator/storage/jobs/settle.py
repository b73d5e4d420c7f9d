"""Settle: a waiting job whose time and whose dependencies have come is queued; one that waits in vain is cancelled.

The end of a job is not told to those that wait for it: they look. So nothing is lost when whoever ended the job is killed
in the next moment, and one job that ends never locks the thousand that wait for it.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, column, exists, false, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from tiltyard.wire.jobs import FINAL_STATES, Dependency, JobState
from tiltyard_orchestrator.domain.dependencies import dead_end
from tiltyard_orchestrator.domain.lifecycle import Call, after_waiting
from tiltyard_orchestrator.storage.jobs.moves import move_many
from tiltyard_orchestrator.storage.tables import JobRow

FINAL = [state.value for state in FINAL_STATES]
_DEPENDENCY: Any = (
    func.jsonb_to_recordset(JobRow.after)
    .table_valued(column("job", Text), column("condition", Text))
    .render_derived(name="dependency", with_types=True)
)


async def settle(
    session: AsyncSession,
    *,
    jobs: Sequence[str] | None = None,
    ended: Collection[str] | None = None,
    limit: int = 200,
) -> list[str]:
    """Move up to `limit` jobs that need not wait any longer.

    Args:
        session: the transaction.
        jobs: look at these.
        ended: look at the jobs that wait for one of these. Where neither is given, those are looked at that wait for a
            moment and for no job.
        limit: how many at most.

    Returns:
        The ids of the jobs that moved.
    """
    query = select(JobRow).where(col(JobRow.state) == JobState.waiting, _over())
    if jobs is not None:
        query = query.where(col(JobRow.id).in_(jobs))
    elif ended is not None:
        query = query.where(or_(false(), *(col(JobRow.after).contains([{"job": job}]) for job in ended)))
    else:
        query = query.where(col(JobRow.after) == literal([], JSONB))
    found = await session.scalars(
        query.order_by(col(JobRow.created_at), col(JobRow.id))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    rows = found.all()
    moved = [row.id for row in rows]
    for dead, alike in (await _by_dead_end(session, rows)).items():
        await move_many(session, alike, Call.settle, after_waiting(dead=dead))
    return moved


async def decided(session: AsyncSession) -> list[str]:
    """The jobs that others wait for and that have ended or are gone."""
    waited_for = (
        select(_DEPENDENCY.c.job.label("id"))
        .select_from(JobRow)
        .join(_DEPENDENCY, true())
        .where(col(JobRow.state) == JobState.waiting)
        .distinct()
        .subquery()
    )
    other = aliased(JobRow)
    found = await session.scalars(
        select(waited_for.c.id)
        .outerjoin(other, col(other.id) == waited_for.c.id)
        .where(or_(col(other.id).is_(None), col(other.state).in_(FINAL)))
        .order_by(waited_for.c.id)
    )
    return list(found)


def _over() -> ColumnElement[bool]:
    """Whether a job's waiting is over, for better or worse."""
    other = aliased(JobRow)
    dependency = _DEPENDENCY
    # Looked up by its id, one by one: as a join it is planned as a look at all jobs for each that waits.
    state = select(col(other.state)).where(col(other.id) == dependency.c.job).scalar_subquery()
    standing = select(literal(1)).select_from(dependency)
    undecided = exists(standing.where(state.not_in(FINAL)))
    dead = exists(
        standing.where(
            or_(
                state.is_(None),
                and_(state.in_(FINAL), dependency.c.condition != "any", dependency.c.condition != state),
            )
        )
    )
    come = or_(col(JobRow.start_at).is_(None), col(JobRow.start_at) <= func.now())
    return or_(dead, and_(~undecided, come))


async def _by_dead_end(session: AsyncSession, rows: Sequence[JobRow]) -> dict[str | None, list[JobRow]]:
    """The jobs by what of theirs can not come true any more; None for those of which all has."""
    after = {row.id: [Dependency.model_validate(one) for one in row.after] for row in rows}
    named = {one.job for some in after.values() for one in some}
    states: dict[str, JobState] = {}
    if named:
        query = select(col(JobRow.id), col(JobRow.state)).where(col(JobRow.id).in_(named))
        states = {job: JobState(state) for job, state in (await session.execute(query)).all()}
    found: dict[str | None, list[JobRow]] = {}
    for row in rows:
        found.setdefault(dead_end(after[row.id], states), []).append(row)
    return found
