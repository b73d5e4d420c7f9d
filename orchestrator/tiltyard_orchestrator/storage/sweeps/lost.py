"""Which cells of a sweep a retry runs once more, and what each of them is to run after.

A cell whose job waited in vain, because a job that it was to run after did not succeed, is run after the job by which that one
is known by now: one of the same archive, entry point, parameters, inputs and plugin versions, as `tiltyard retry` makes it. Its
inputs are then that job's. Where there is none, the cell is passed over: what it was to be made of will never be there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.inputs import InputKind
from tiltyard.wire.jobs import Condition, Dependency, JobState, Reason
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.domain.dependencies import satisfied
from tiltyard_orchestrator.domain.inputs import Input, read_inputs
from tiltyard_orchestrator.domain.sweep.digest import cell_digest
from tiltyard_orchestrator.storage.sweeps.rows import chunks
from tiltyard_orchestrator.storage.sweeps.submit import known_jobs
from tiltyard_orchestrator.storage.tables import ArchiveRow, CellRow, JobRow

MOST_UNMET = 20


@dataclass(frozen=True, kw_only=True)
class LostCell:
    """A cell to run once more."""

    number: int
    digest: str
    job: str
    """The one that was lost."""
    after: list[Dependency] = field(default_factory=list)
    """What the next one runs after, and waits for where `waits`."""
    waits: bool = False
    parameters: dict[str, Json] | None = None
    """Of the next one, where they are not those of the lost one: its inputs are another job's."""


@dataclass(kw_only=True)
class Lost:
    """What a retry finds."""

    cells: list[LostCell] = field(default_factory=list)
    passed_over: int = 0
    unmet: list[str] = field(default_factory=list)
    """The first jobs that those that are passed over were to run after."""


@dataclass(frozen=True, kw_only=True)
class _Before:
    """How the jobs stand that cells were to run after."""

    states: Mapping[str, JobState]
    successors: Mapping[str, str]
    """By a job that did not succeed, the one by which it is known by now."""

    def stands(self, one: Dependency) -> bool | None:
        """Whether it has come true; None while it may."""
        state = self.states.get(one.job)
        return False if state is None else satisfied(one.condition, state)

    def instead(self, one: Dependency) -> Dependency:
        """The same, or after the job that has taken its place."""
        if self.stands(one) is False and one.condition is Condition.succeeded and one.job in self.successors:
            return Dependency(job=self.successors[one.job], condition=one.condition)
        return one


async def lost_cells(session: AsyncSession, sweep: str, *, cancelled: bool) -> Lost:
    """Find the cells of a sweep that are to be run once more.

    Args:
        session: the transaction.
        sweep: its id.
        cancelled: whether those are, too, whose job somebody cancelled.
    """
    rows = (await session.execute(_query(sweep, cancelled=cancelled))).all()
    cells = [_lost_cell(row) for row in rows]
    before = await _before(session, {one.job for cell in cells for one in cell.after})
    found = Lost()
    moved: list[LostCell] = []
    for cell in cells:
        after = [before.instead(one) for one in cell.after]
        if unmet := [one.job for one in after if before.stands(one) is False]:
            found.passed_over += 1
            found.unmet += [job for job in unmet if job not in found.unmet][: MOST_UNMET - len(found.unmet)]
            continue
        waits = any(before.stands(one) is None for one in after)
        (found.cells if after == cell.after else moved).append(replace(cell, after=after, waits=waits))
    found.cells += await _moved(session, moved, before)
    found.cells.sort(key=lambda cell: cell.number)
    return found


def _query(sweep: str, *, cancelled: bool) -> Any:
    state = col(JobRow.state)
    in_vain = and_(state == JobState.cancelled, col(JobRow.reason) == Reason.dependency)
    lost = or_(state == JobState.failed, state == JobState.cancelled if cancelled else in_vain)
    # What came to its queue once has waited for all that it was to wait for.
    came = or_(state == JobState.failed, col(JobRow.turn_at).is_not(None)).label("came")
    return (
        select(col(CellRow.number), col(CellRow.digest), col(JobRow.id), col(JobRow.after), came)
        .join(JobRow, col(JobRow.id) == col(CellRow.job_id))
        .where(col(CellRow.sweep_id) == sweep, lost)
        .order_by(col(CellRow.number))
    )


def _lost_cell(row: Any) -> LostCell:
    number, digest, job, after, came = row
    waited = [] if came else [Dependency.model_validate(one) for one in after]
    return LostCell(number=number, digest=digest, job=job, after=waited)


async def _before(session: AsyncSession, jobs: Collection[str]) -> _Before:
    """The jobs, and those that have taken the place of some; all held until the commit."""
    found: dict[str, Any] = {}
    for chunk in chunks(sorted(jobs)):
        query = select(col(JobRow.id), col(JobRow.state), col(JobRow.experiment_id), col(JobRow.digest))
        held = query.where(col(JobRow.id).in_(chunk)).with_for_update(key_share=True, read=True)
        found |= {row.id: row for row in await session.execute(held)}
    states = {job: JobState(row.state) for job, row in found.items()}
    ended = [row for job, row in found.items() if states[job] in {JobState.failed, JobState.cancelled}]
    successors: dict[str, str] = {}
    for experiment in {row.experiment_id for row in ended}:
        digests = {row.digest: row.id for row in ended if row.experiment_id == experiment and row.digest}
        known = await known_jobs(session, experiment, digests)
        successors |= {digests[digest]: job for digest, job in known.items()}
    newer = select(col(JobRow.id), col(JobRow.state)).where(col(JobRow.id).in_(successors.values()))
    states |= {job: JobState(state) for job, state in (await session.execute(newer)).all()}
    return _Before(states=states, successors=successors)


async def _moved(session: AsyncSession, cells: Sequence[LostCell], before: _Before) -> list[LostCell]:
    """Cells whose next jobs have the inputs of other jobs than the lost ones had."""
    moved: list[LostCell] = []
    for chunk in chunks([cell.job for cell in cells]):
        query = select(JobRow, col(ArchiveRow.entry_points)).join(
            ArchiveRow, col(ArchiveRow.sha256) == col(JobRow.archive)
        )
        found = await session.execute(query.where(col(JobRow.id).in_(chunk)))
        rows = {row.id: (row, entry_points) for row, entry_points in found.all()}
        moved += [_with_inputs(cell, *rows[cell.job], before) for cell in cells if cell.job in rows]
    return moved


def _with_inputs(
    cell: LostCell, row: JobRow, entry_points: Sequence[Mapping[str, Any]], before: _Before
) -> LostCell:
    declared = next(entry for entry in entry_points if entry["name"] == row.entry_point)
    parameters = dict(row.parameters)
    references = {
        str(one["parameter"]): str(one["reference"]) for one in row.inputs if one["kind"] == InputKind.model
    }
    for one in read_inputs(EntryPoint.model_validate(declared).parameters, row.parameters):
        if isinstance(one, Input):
            job = before.instead(Dependency(job=one.job)).job
            given = replace(one, job=job)
            references[one.parameter] = given.reference
            parameters[one.parameter] = given.reference + "/" * one.folder
    if parameters == row.parameters:
        return cell
    digest = cell_digest(
        archive=row.archive,
        entry_point=row.entry_point,
        parameters=parameters,
        inputs=references,
        plugins=[PluginPin.model_validate(pin) for pin in row.plugins],
    )
    return replace(cell, parameters=parameters, digest=digest)


async def of_each_kind(session: AsyncSession, cells: Sequence[LostCell]) -> list[LostCell]:
    """One cell of each set of plugin versions among those that the lost jobs had."""
    first: list[str] = []
    for chunk in chunks([cell.job for cell in cells]):
        query = select(func.min(JobRow.id), col(JobRow.plugins)).where(col(JobRow.id).in_(chunk))
        first += [job for job, _ in (await session.execute(query.group_by(col(JobRow.plugins)))).all()]
    return [cell for cell in cells if cell.job in first]
