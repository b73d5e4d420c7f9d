"""Axes: what a sweep asks for, read against the parameters that its entry point declares.

Each value of an axis is bound once, however many cells will have it. Everything that is wrong is told in one answer: an axis
that is not declared, is named twice or is fixed beside; a value of another type, or one that stands there twice; none at all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tiltyard.canonical import canonical
from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard.wire.sweeps import Axis, SweepMode, SweepSubmission
from tiltyard_orchestrator.domain.parameters import Mistyped, did_you_mean, listed, shown, typed
from tiltyard_orchestrator.domain.sweep.digest import plain
from tiltyard_orchestrator.domain.sweep.ranges import Range, range_of, range_problem
from tiltyard_orchestrator.domain.sweep.sizes import size_problems

MOST_TOLD = 20
"""Of the values of one axis that are wrong, so many are told."""
_NUMBERS = {ParameterType.integer, ParameterType.float}


@dataclass(frozen=True, kw_only=True)
class ReadAxis:
    """An axis whose values are of the declared type."""

    asked: Axis
    parameter: Parameter
    values: tuple[Json, ...] = ()
    drawn: Range | None = None
    """What values are drawn from, where they are not listed."""


def read_axes(asked: SweepSubmission, declared: Sequence[Parameter]) -> list[ReadAxis] | list[ProblemItem]:
    """Return the axes, or everything that is wrong with them; of axes that make too much, nothing but that."""
    if too_much := list(size_problems(asked)):
        return too_much
    known = {parameter.name: parameter for parameter in declared}
    problems: list[ProblemItem] = []
    axes: list[ReadAxis] = []
    names: set[str] = set()
    for number, axis in enumerate(asked.axes):
        at = f"/axes/{number}"
        told = list(_of_name(axis, at, known, names, asked.parameters))
        names.add(axis.parameter)
        if not told:
            read, told = _read(axis, known[axis.parameter], asked.mode, at)
            axes.append(read)
        problems += told
    return problems or axes


def _of_name(
    axis: Axis, at: str, known: Mapping[str, Parameter], before: set[str], fixed: Mapping[str, Json]
) -> Iterator[ProblemItem]:
    name, place = axis.parameter, f"{at}/parameter"
    if name not in known:
        hint = did_you_mean(name, known) or f"; declared are {listed(known)}"
        detail = f"the entry point declares no parameter {shown(name)}{hint}"
        yield ProblemItem(pointer=place, code="unknown_parameter", detail=detail)
    if name in before:
        yield ProblemItem(pointer=place, code="repeated_axis", detail=f"{shown(name)} is an axis already")
    if name in fixed:
        detail = f"{shown(name)} is an axis, and has a fixed value in `parameters`: it can be one of the two"
        yield ProblemItem(pointer=place, code="fixed_and_axis", detail=detail)


def _read(axis: Axis, parameter: Parameter, mode: SweepMode, at: str) -> tuple[ReadAxis, list[ProblemItem]]:
    nothing = ReadAxis(asked=axis, parameter=parameter)
    if problem := _shape_problem(axis, parameter, mode):
        return nothing, [ProblemItem(pointer=at, code="bad_axis", detail=f"{axis.parameter}: {problem}")]
    if axis.values is None and axis.count is None:
        return _read_drawn(axis, parameter, at)
    place = f"{at}/values" if axis.values is not None else at
    given: Iterable[Json] = axis.values if axis.values is not None else range_of(axis).cut(axis.count or 1)
    values, problems = _bound(parameter, given, place)
    if mode is not SweepMode.zip and not problems:
        problems = _repeated(axis.parameter, values, place)
    return ReadAxis(asked=axis, parameter=parameter, values=tuple(values)), problems[:MOST_TOLD]


def _shape_problem(axis: Axis, parameter: Parameter, mode: SweepMode) -> str | None:
    ranged = any(one is not None for one in (axis.start, axis.stop, axis.count, axis.scale))
    if axis.values is not None and ranged:
        return "it has `values` or a range, and not both"
    if not axis.values and not ranged:
        return "it has no values"
    return None if axis.values else _range_problem(axis, parameter, mode)


def _range_problem(axis: Axis, parameter: Parameter, mode: SweepMode) -> str | None:
    if parameter.type not in _NUMBERS:
        return f"a range is of numbers, and this is a {parameter.type.value}: list its values"
    if axis.count is None and mode is not SweepMode.random:
        return "say into how many values the range is cut: FROM:TO:COUNT, or `count`"
    if axis.count == 1:
        return "a range is cut into two values at least"
    return range_problem(axis)


def _read_drawn(axis: Axis, parameter: Parameter, at: str) -> tuple[ReadAxis, list[ProblemItem]]:
    drawn = range_of(axis)
    if parameter.type is ParameterType.float:
        return ReadAxis(asked=axis, parameter=parameter, drawn=drawn), []
    _, problems = _bound(parameter, [drawn.start, drawn.stop], at)
    return ReadAxis(asked=axis, parameter=parameter, drawn=drawn), problems


def _bound(parameter: Parameter, given: Iterable[Json], at: str) -> tuple[list[Json], list[ProblemItem]]:
    values: list[Json] = []
    problems: list[ProblemItem] = []
    for number, value in enumerate(given):
        try:
            values.append(typed(parameter, value))
        except Mistyped as error:
            detail = f"{parameter.name!r}: {error}"
            problems.append(
                ProblemItem(
                    pointer=f"{at}/{number}" if at.endswith("/values") else at,
                    code="mistyped_parameter",
                    detail=detail,
                )
            )
    return values, problems


def _repeated(name: str, values: Sequence[Json], at: str) -> list[ProblemItem]:
    first: dict[bytes, int] = {}
    problems = []
    for number, value in enumerate(values):
        if first.setdefault(canonical(plain(value)), number) != number:
            place = f"{at}/{number}" if at.endswith("/values") else at
            detail = f"{name}: {shown(value)} stands there twice"
            problems.append(ProblemItem(pointer=place, code="repeated_value", detail=detail))
    return problems


def distinct(values: Iterable[Json]) -> list[Json]:
    """Each value once, in the order in which it first comes."""
    return list({canonical(plain(value)): value for value in reversed(list(values))}.values())[::-1]


def told_axis(axis: ReadAxis, values: list[Json]) -> Axis:
    """The axis as callers see it: the values that its cells have, and the range that they were drawn from."""
    drawn = axis.drawn
    if drawn is None:
        return Axis(parameter=axis.parameter.name, values=values)
    numbers: list[Json] = [*sorted(value for value in values if isinstance(value, int | float))]
    return Axis(
        parameter=axis.parameter.name,
        values=numbers,
        start=drawn.start,
        stop=drawn.stop,
        scale=axis.asked.scale,
    )
