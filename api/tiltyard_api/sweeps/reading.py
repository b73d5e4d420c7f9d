"""Reading a sweep: its axes, its choices and the inputs that it names, on a thread and before any transaction.

A small request may mean a great deal of work. What is too much is refused here, by its size alone, so that nobody else waits
for it; and inputs are few, since each of them is a question to the database or to MLflow.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from tiltyard.wire import Archive, EntryPoint, ParameterType, ProblemItem, SweepSubmission
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.inputs import AnyInput, read_inputs
from tiltyard_orchestrator.domain.sweep.axes import MOST_TOLD, ReadAxis, read_axes
from tiltyard_orchestrator.domain.sweep.expand import Choice, expand
from tiltyard_orchestrator.domain.sweep.sizes import size_problems

MOST_INPUTS = 1_000
"""Different artifacts and models in the axes of a sweep."""


@dataclass(kw_only=True)
class ReadSweep:
    """A sweep as it can be read without looking at other jobs; without an entry point there is nothing to read it by."""

    entry_point: EntryPoint | None = None
    axes: list[ReadAxis] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    inputs: list[tuple[str, AnyInput]] = field(default_factory=list)
    """Those that values of axes name, each with its place in the request."""
    problems: list[ProblemItem] = field(default_factory=list)


async def read_sweep(here: Parts, asked: SweepSubmission, *, seed: int | None) -> ReadSweep:
    """Read a sweep by the entry point that it names. Not to be called inside a transaction."""
    async with here.database.transaction() as session:
        archive = await here.catalogue.archive(session, asked.archive)
    entry_point = _entry_point(asked, archive)
    if entry_point is None:
        return ReadSweep()
    return await asyncio.to_thread(_read, asked, entry_point, seed)


def _entry_point(asked: SweepSubmission, archive: Archive | None) -> EntryPoint | None:
    there = archive.entry_points if archive else ()
    return next((one for one in there if one.name == asked.entry_point), None)


def _read(asked: SweepSubmission, entry_point: EntryPoint, seed: int | None) -> ReadSweep:
    found = ReadSweep(entry_point=entry_point, problems=list(size_problems(asked)))
    if found.problems:
        return found
    read = read_axes(asked, entry_point.parameters)
    found.axes = [one for one in read if isinstance(one, ReadAxis)]
    found.problems = [one for one in read if isinstance(one, ProblemItem)]
    _read_inputs(found, asked, entry_point)
    if not found.problems:
        expanded = expand(found.axes, asked.mode, count=asked.count, seed=seed)
        found.problems = [one for one in expanded if isinstance(one, ProblemItem)]
        found.choices = [one for one in expanded if not isinstance(one, ProblemItem)]
    return found


def _read_inputs(found: ReadSweep, asked: SweepSubmission, entry_point: EntryPoint) -> None:
    named = list(_named(asked, entry_point))
    inputs = [(place, one) for place, one in named if not isinstance(one, ProblemItem)]
    wrong = [(place, one) for place, one in named if isinstance(one, ProblemItem)]
    found.problems += [one.model_copy(update={"pointer": place}) for place, one in wrong[:MOST_TOLD]]
    different = len({one.reference for _, one in inputs})
    if different <= MOST_INPUTS:
        found.inputs = inputs
        return
    detail = f"the axes name {different:,} different artifacts and models, and may name {MOST_INPUTS:,}: make several sweeps"
    found.problems.append(ProblemItem(pointer="/axes", code="too_many_inputs", detail=detail))


def _named(asked: SweepSubmission, entry_point: EntryPoint) -> Iterator[tuple[str, AnyInput | ProblemItem]]:
    declared = {one.name: one for one in entry_point.parameters}
    for number, axis in enumerate(asked.axes):
        parameter = declared.get(axis.parameter)
        if parameter is None or parameter.type is not ParameterType.path:
            continue
        for place, value in enumerate(axis.values or ()):
            for one in read_inputs([parameter], {parameter.name: value}):
                yield f"/axes/{number}/values/{place}", one
