"""Submit a sweep: its row, its cells, and a job with its event 0 for each cell that is not known yet, in one transaction.

A cell is known when a job of the same experiment has its digest and has succeeded or not ended: then it is linked, and nothing
is run. The experiment's row lock makes sweeps take turns, so that of two like ones that come at once the second finds the jobs
of the first. Nothing is written job by job: a chunk of cells is one statement.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, and_, case, column, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from tiltyard.wire.jobs import Dependency, JobState
from tiltyard.wire.model import Json
from tiltyard_orchestrator.domain.dependencies import satisfied
from tiltyard_orchestrator.storage.experiments import ensure_experiment
from tiltyard_orchestrator.storage.jobs.submit import (
    KeyReused,
    NewJob,
    check_dependencies,
    columns_of,
    new_id,
)
from tiltyard_orchestrator.storage.sweeps.rows import chunks, write_cells, write_jobs
from tiltyard_orchestrator.storage.tables import ExperimentRow, JobRow, SweepRow


@dataclass(frozen=True, kw_only=True)
class NewCell:
    """A cell to write, with everything that decides what it comes to."""

    values: dict[str, Json]
    """Of the axes."""
    parameters: dict[str, Json]
    command: str
    digest: str
    after: list[Dependency] | None = None
    """What its job waits for, where that is not what every cell waits for."""
    inputs: list[dict[str, Any]] | None = None
    """What its models are, where those are not every cell's."""


@dataclass(frozen=True, kw_only=True)
class NewSweep:
    """A checked sweep."""

    job: NewJob
    """What every cell's job has in common."""
    cells: Sequence[NewCell]
    axes: list[dict[str, Any]]
    mode: str
    seed: int | None
    submission: dict[str, Any]
    max_parallel: int | None = None
    description: str = ""
    tags: list[str] = field(default_factory=list)
    idempotency_key: str | None = None
    request_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class MadeSweep:
    """A sweep that is written."""

    id: str
    jobs: list[str] = field(default_factory=list)
    """The new ones."""
    new: bool = True
    """Whether this very request wrote it: its idempotency key may have done so before."""


async def submitted_sweep(session: AsyncSession, key: str, digest: str) -> MadeSweep | KeyReused | None:
    """What an idempotency key stands for already, if anything."""
    query = select(col(SweepRow.id), col(SweepRow.request_digest)).where(col(SweepRow.idempotency_key) == key)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return MadeSweep(id=row.id, new=False) if row.request_digest == digest else KeyReused(job=row.id)


async def submit_sweep(session: AsyncSession, new: NewSweep) -> MadeSweep | KeyReused:
    """Write a sweep, and the jobs of those of its cells that are not known yet.

    Raises:
        UnknownJobs: its jobs are to wait for jobs that are not there.
    """
    waited_for = {one.job: one for cell in new.cells for one in cell.after or ()}
    states = await check_dependencies(session, [*new.job.after, *waited_for.values()])
    experiment_id = await ensure_experiment(session, new.job.experiment)
    await lock_experiment(session, experiment_id)
    sweep = await session.scalar(_sweep(new, experiment_id))
    if sweep is None:
        before = await submitted_sweep(session, new.idempotency_key or "", new.request_digest or "")
        assert before is not None, "only a key that is committed can conflict"
        return before
    now = (await session.execute(select(func.now()))).scalar_one()
    known = await known_jobs(session, experiment_id, {cell.digest for cell in new.cells})
    records = list(_records(new, known, states, now))
    columns = columns_of(new.job, experiment_id) | {"sweep_id": sweep}
    made = [record for record in records if not record["linked"]]
    for chunk in chunks(made):
        await session.execute(write_jobs(columns, new.job, chunk))
    for chunk in chunks(records):
        await session.execute(write_cells(sweep, chunk))
    return MadeSweep(id=sweep, jobs=[record["job"] for record in made])


async def lock_experiment(session: AsyncSession, experiment_id: str) -> None:
    """Keep off other sweeps of an experiment until the commit, and not those who submit jobs to it."""
    query = select(col(ExperimentRow.id)).where(col(ExperimentRow.id) == experiment_id)
    await session.execute(query.with_for_update(key_share=True))


async def known_jobs(session: AsyncSession, experiment_id: str, digests: Iterable[str]) -> dict[str, str]:
    """The job of an experiment that each digest is known by: one that succeeded, or is on its way and not to end before.

    One that came by a bundle is none of them: what it says that it came to was not seen here. They are held until the commit,
    so that none of them is exported meanwhile.
    """
    known: dict[str, str] = {}
    for chunk in chunks(sorted(digests)):
        found = await session.execute(_known(experiment_id, chunk))
        known |= {str(digest): str(job) for digest, job in found.all()}
    return known


def _known(experiment_id: str, digests: Sequence[str]) -> Select[Any, Any]:
    """One job for each digest, looked up one by one: together they are planned as a look at all jobs, while these are new."""
    state = col(JobRow.state)
    asked = (
        func.unnest(literal(digests, ARRAY(Text)))
        .table_valued(column("digest", Text))
        .render_derived(name="asked")
    )
    alive = and_(
        state.in_([JobState.running, JobState.queued, JobState.waiting]), ~col(JobRow.cancel_requested)
    )
    order = case((state == JobState.succeeded, 0), (state == JobState.running, 1), else_=2)
    job = (
        select(col(JobRow.id).label("id"))
        .where(col(JobRow.experiment_id) == experiment_id, col(JobRow.digest) == asked.c.digest)
        .where(col(JobRow.bundle).is_(None))
        .where(or_(state == JobState.succeeded, alive))
        .order_by(order, col(JobRow.created_at), col(JobRow.id))
        .limit(1)
        .with_for_update(key_share=True, read=True)
        .lateral("known")
    )
    return select(asked.c.digest, job.c.id).select_from(asked.join(job, true()))


def _sweep(new: NewSweep, experiment_id: str) -> ReturningInsert[str]:
    return (
        upsert(SweepRow)
        .values(
            id=new_id(),
            experiment_id=experiment_id,
            mode=new.mode,
            axes=new.axes,
            seed=new.seed,
            submission=new.submission,
            cells=len(new.cells),
            max_parallel=new.max_parallel,
            description=new.description,
            tags=new.tags,
            idempotency_key=new.idempotency_key,
            request_digest=new.request_digest,
        )
        .on_conflict_do_nothing(index_elements=[col(SweepRow.idempotency_key)])
        .returning(col(SweepRow.id))
    )


def _records(
    new: NewSweep, known: Mapping[str, str], states: Mapping[str, JobState], now: datetime
) -> Iterator[dict[str, Any]]:
    """What is written of each cell. Ids rise with the cells, so that of jobs that came at once the first goes first."""
    ids = iter(sorted(new_id() for _ in new.cells))
    jobs = dict(known)
    room = len(new.cells) if new.max_parallel is None else new.max_parallel
    for number, cell in enumerate(new.cells):
        job = jobs.setdefault(cell.digest, own := next(ids))
        waits = _waits(new.job, new.job.after if cell.after is None else cell.after, states, now)
        queued = job == own and not waits
        yield {
            "number": number,
            "job": job,
            "linked": job != own,
            "reused": cell.digest in known,
            "digest": cell.digest,
            "values": cell.values,
            "parameters": cell.parameters,
            "command": cell.command,
            "state": (JobState.waiting if waits else JobState.queued).value,
            "held": queued and room <= 0,
            "after": None if cell.after is None else [one.model_dump(mode="json") for one in cell.after],
            "inputs": cell.inputs,
        }
        room -= queued


def _waits(new: NewJob, after: Sequence[Dependency], states: Mapping[str, JobState], now: datetime) -> bool:
    """Whether a job is to wait. What can not come true any more is the keeper's to tell, as of any other job."""
    if new.start_at is not None and new.start_at > now:
        return True
    return any(satisfied(one.condition, states[one.job]) is not True for one in after)
