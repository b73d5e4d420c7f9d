"""Checks a submission as a whole, before anything is stored: what would run, or every problem at once.

A caller who made three mistakes is told three. What needs something that is itself missing (the parameters of an entry
point that is not there) is left out, so that no mistake is told twice.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tiltyard.duration import parse_duration
from tiltyard.wire.archives import Archive, EntryPoint
from tiltyard.wire.jobs import JobSubmission
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.command import LONGEST_COMMAND, render
from tiltyard_orchestrator.domain.inputs import AnyInput, Models, model_problems, placed, read_inputs
from tiltyard_orchestrator.domain.parameters import Bound, bind, did_you_mean, listed, shown

TIMEOUTS = ("timeout", "queue_timeout", "progress_timeout")


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What a submission comes to."""

    entry_point: EntryPoint
    values: dict[str, Json]
    """Every declared parameter, defaults filled in."""
    command: str
    """The command line as the shell gets it."""
    timeout: float | None
    """Seconds; None where the submission sets no limit of its own. So are the other two."""
    inputs: list[AnyInput] = field(default_factory=list)
    models: Models = field(default_factory=dict)
    """What its `model:` references stand for."""
    queue_timeout: float | None = None
    progress_timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Filled:
    """An entry point with the values of one job."""

    entry_point: EntryPoint
    values: dict[str, Json]
    command: str
    inputs: list[AnyInput]


def check(
    submission: JobSubmission,
    archive: Archive | None,
    queues: Collection[str],
    models: Models | None = None,
) -> Accepted | list[ProblemItem]:
    """Return what would run, or everything that is wrong.

    `archive` is the stored archive that the submission names, None where there is none; `queues` are the names of all
    queues; `models` is what its `model:` references stand for.
    """
    filled = _fill(submission, archive, models or {})
    timeouts = {name: _duration(name, getattr(submission, name)) for name in TIMEOUTS}
    problems = filled if isinstance(filled, list) else []
    problems = [*problems, *(one for one in timeouts.values() if isinstance(one, ProblemItem))]
    problems = [*problems, *_queue(submission.queue, queues), *_repeated(submission)]
    if problems or isinstance(filled, list):
        return problems
    seconds = {name: value for name, value in timeouts.items() if not isinstance(value, ProblemItem)}
    return Accepted(
        entry_point=filled.entry_point,
        values=filled.values,
        command=filled.command,
        inputs=filled.inputs,
        models=models or {},
        **seconds,
    )


def _fill(submission: JobSubmission, archive: Archive | None, models: Models) -> Filled | list[ProblemItem]:
    if archive is None:
        detail = f"no archive {submission.archive} is stored here: upload it first"
        return [ProblemItem(pointer="/archive", code="unknown_archive", detail=detail)]
    there = {entry_point.name: entry_point for entry_point in archive.entry_points}
    entry_point = there.get(submission.entry_point)
    if entry_point is None:
        asked = submission.entry_point
        hint = did_you_mean(asked, there)
        detail = f"the archive has no entry point {shown(asked)}{hint}; it has {listed(there)}"
        return [ProblemItem(pointer="/entry_point", code="unknown_entry_point", detail=detail)]
    bound = bind(entry_point.parameters, submission.parameters)
    match bound:
        case Bound(values=values):
            return fill(entry_point, values, models)
        case problems:
            return problems


def fill(entry_point: EntryPoint, values: dict[str, Json], models: Models) -> Filled | list[ProblemItem]:
    """The command and the inputs for values that are of the declared types, or what is wrong with them."""
    found = read_inputs(entry_point.parameters, values)
    inputs = [one for one in found if not isinstance(one, ProblemItem)]
    problems = [one for one in found if isinstance(one, ProblemItem)] or model_problems(inputs, models)
    if problems:
        return problems
    command = render(entry_point.command, _arguments(entry_point, placed(values, inputs, models)))
    if len(command.encode()) > LONGEST_COMMAND:
        detail = f"these values make a command of over {LONGEST_COMMAND} bytes: put the data into a file of the archive"
        return [ProblemItem(pointer="/parameters", code="command_too_long", detail=detail)]
    return Filled(entry_point=entry_point, values=values, command=command, inputs=inputs)


def _arguments(entry_point: EntryPoint, values: dict[str, Json]) -> Mapping[str, Json]:
    """The values as the command takes them: a graph's runner reads each from one argument, a list as JSON."""
    if entry_point.graph is None:
        return values
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in values.items()}


def _duration(name: str, value: str | float | None) -> float | ProblemItem | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        return ProblemItem(pointer=f"/{name}", code="bad_timeout", detail=str(error))


def _repeated(submission: JobSubmission) -> list[ProblemItem]:
    named = [dependency.job for dependency in submission.after]
    return [
        ProblemItem(pointer=f"/after/{place}/job", code="repeated", detail=f"job {shown(job)} is named twice")
        for place, job in enumerate(named)
        if job in named[:place]
    ]


def _queue(name: str, queues: Collection[str]) -> list[ProblemItem]:
    if name in queues:
        return []
    known = f"; known are {listed(queues)}" if queues else "; there is none yet"
    detail = f"there is no queue {shown(name)}{did_you_mean(name, queues)}{known}"
    return [ProblemItem(pointer="/queue", code="unknown_queue", detail=detail)]
