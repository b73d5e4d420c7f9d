"""What a sweep comes to: every cell with what decides its outcome, or every problem with it in one answer.

What the cells have in common is checked once, as a job's submission with the first value of each axis; and each cell's command
is rendered, on a thread of its own, since there may be a hundred thousand.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.canonical import canonical
from tiltyard.wire import (
    Dependency,
    JobSubmission,
    ProblemItem,
    SweepSubmission,
)
from tiltyard.wire.model import Json
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.jobs.named_models import models_of, resolve_models
from tiltyard_api.jobs.submissions import Checked, checked
from tiltyard_api.parts import Parts
from tiltyard_api.sweeps.reading import ReadSweep
from tiltyard_orchestrator.domain.inputs import (
    AnyInput,
    Input,
    ModelInput,
    Models,
    model_problems,
)
from tiltyard_orchestrator.domain.parameters import pointer
from tiltyard_orchestrator.domain.submission import Filled, fill
from tiltyard_orchestrator.domain.sweep.axes import ReadAxis
from tiltyard_orchestrator.domain.sweep.digest import cell_digest, references
from tiltyard_orchestrator.storage.jobs.inputs import await_inputs, model_records
from tiltyard_orchestrator.storage.sweeps.submit import NewCell

MOST_BYTES = 256 * 2**20
"""Of the commands and parameters of all cells: they are held in memory until they are written."""


@dataclass(frozen=True, kw_only=True)
class CheckedSweep:
    """A sweep that will be written."""

    common: Checked
    """As of a job with the first value of each axis."""
    axes: list[ReadAxis]
    cells: list[NewCell]


@dataclass(kw_only=True)
class _Inputs:
    """What the values of axes need of other jobs and of the registry."""

    parameters: set[str] = field(default_factory=set)
    waits: dict[str, Dependency] = field(default_factory=dict)
    problems: list[ProblemItem] = field(default_factory=list)


async def sweep_models(here: Parts, asked: SweepSubmission, read: ReadSweep) -> Models:
    """What all models stand for that a sweep names, in its axes too. Not to be called inside a transaction.

    Raises:
        TrackingAway: MLflow cannot be asked now.
    """
    common = await models_of(here, common_of(asked))
    named = [one for _, one in read.inputs if isinstance(one, ModelInput)]
    return {**common, **await resolve_models(here, named)}


async def checked_sweep(
    session: AsyncSession, here: Parts, asked: SweepSubmission, read: ReadSweep, *, models: Models
) -> CheckedSweep:
    """Check a sweep against what is stored.

    Args:
        session: the transaction; the versions of plugins that the jobs get are held in it.
        here: the gateway.
        asked: the sweep.
        read: what it was read as.
        models: what its `model:` references stand for.

    Raises:
        Refused: with everything that is wrong.
    """
    inputs = await _axis_inputs(session, asked, read, models)
    common = await _common(session, here, asked, models, [*read.problems, *inputs.problems])
    if read.entry_point is None:  # it is there since a moment ago
        raise invalid([_too_early()])
    cells = await asyncio.to_thread(_cells, asked, common, read, models, inputs)
    if isinstance(cells, ProblemItem):
        raise invalid([cells])
    return CheckedSweep(common=common, axes=read.axes, cells=cells)


def common_of(asked: SweepSubmission) -> JobSubmission:
    """A job's submission with the first value of each axis."""
    given = asked.model_dump(include=set(JobSubmission.model_fields), mode="json")
    first: dict[str, Json] = {}
    for axis in asked.axes:
        value = axis.values[0] if axis.values else axis.start
        if value is not None:
            first.setdefault(axis.parameter, value)
    return JobSubmission.model_validate({**given, "parameters": {**first, **asked.parameters}})


def _too_early() -> ProblemItem:
    detail = "the archive was not there when the sweep came, and is now: submit it again"
    return ProblemItem(pointer="/archive", code="unknown_archive", detail=detail)


async def _common(
    session: AsyncSession, here: Parts, asked: SweepSubmission, models: Models, problems: list[ProblemItem]
) -> Checked:
    """What is the same in every cell; what is wrong with the first value of an axis was told of the axis."""
    axes = tuple(pointer("parameters", axis.parameter) for axis in asked.axes)
    try:
        common = await checked(session, here, common_of(asked), models=models)
    except Refused as refused:
        told = [one for one in refused.problem.errors if one.pointer not in axes]
        if not (told or problems):
            raise
        raise invalid([*problems, *told]) from refused
    if problems:
        raise invalid(problems)
    return common


async def _axis_inputs(
    session: AsyncSession, asked: SweepSubmission, read: ReadSweep, models: Models
) -> _Inputs:
    found = _Inputs()
    told: dict[AnyInput, list[Dependency] | list[ProblemItem]] = {}
    for place, one in read.inputs:
        found.parameters.add(one.parameter)
        if one not in told:  # each is asked about once, however many values name it
            told[one] = await await_inputs(session, [one], asked.after)
        problems = model_problems([one], models)
        for wait in told[one]:
            if isinstance(wait, ProblemItem):
                problems.append(wait)
            else:
                found.waits[wait.job] = wait
        found.problems += [problem.model_copy(update={"pointer": place}) for problem in problems]
    return found


def _cells(
    asked: SweepSubmission,
    common: Checked,
    read: ReadSweep,
    models: Models,
    inputs: _Inputs,
) -> list[NewCell] | ProblemItem:
    """The cells, or what is wrong with the first one that cannot be."""
    names = [axis.parameter.name for axis in read.axes]
    cells = []
    size = 0
    for choice in read.choices:
        values = dict(zip(names, choice, strict=True))
        filled = fill(common.accepted.entry_point, {**common.accepted.values, **values}, models)
        if not isinstance(filled, Filled):
            said = ", ".join(f"{name}={value}" for name, value in values.items())[:200]
            return filled[0].model_copy(update={"detail": f"{filled[0].detail} (with {said})"})
        size += len(filled.command.encode()) + len(canonical(filled.values))
        if size > MOST_BYTES:
            return _too_large(len(read.choices))
        cell = _cell(asked, common, filled, values, models)
        cells.append(
            cell if not inputs.parameters else _with_inputs(cell, asked, common, filled, models, inputs)
        )
    return cells


def _too_large(cells: int) -> ProblemItem:
    detail = (
        f"the commands and parameters of {cells:,} cells come to over {MOST_BYTES >> 20} MiB: make fewer cells at a time, "
        "or put long values into a file of the archive"
    )
    return ProblemItem(pointer="/axes", code="sweep_too_large", detail=detail)


def _cell(
    asked: SweepSubmission, common: Checked, filled: Filled, values: Mapping[str, Json], models: Models
) -> NewCell:
    digest = cell_digest(
        archive=asked.archive,
        entry_point=filled.entry_point.name,
        parameters=filled.values,
        inputs=references(filled.inputs, models),
        plugins=common.pins,
    )
    return NewCell(values=dict(values), parameters=filled.values, command=filled.command, digest=digest)


def _with_inputs(
    cell: NewCell, asked: SweepSubmission, common: Checked, filled: Filled, models: Models, inputs: _Inputs
) -> NewCell:
    """A cell that waits for the jobs that its own values name, and not for those of other cells."""
    waits = {one.job: one for one in common.after} | inputs.waits
    needed = [one.job for one in filled.inputs if isinstance(one, Input)]
    already = {one.job for one in asked.after}
    own = [waits[job] for job in dict.fromkeys(needed) if job in waits and job not in already]
    return NewCell(
        values=cell.values,
        parameters=cell.parameters,
        command=cell.command,
        digest=cell.digest,
        after=[*asked.after, *own],
        inputs=model_records(filled.inputs, models),
    )
