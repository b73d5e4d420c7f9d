"""Binds given values to declared parameters: each becomes a value of its declared type, or a problem.

A value comes as JSON of the declared type (`0.1`, `true`, `[1, 2]`) or as text (`"0.1"`, `"yes"`, `"1,2"`), which is all
that a command line has. Refused are names that nobody declared, values that were left out and have no default, and
values of another type. Floats are finite, since JSON has no infinity: where a norm may be `inf`, declare a string or a
choice.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_WIDEST_INTEGER = 2**64
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SUGGESTED_AT_MOST = 50
_MOST_UNKNOWN = 1_000
"""Of names that nobody declared, so many are told: a body has room for millions, and all others wait while they are."""
_LONGEST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The values of one job."""

    values: dict[str, Json]
    """Every declared parameter, in the order of declaration, defaults filled in."""


class Mistyped(ValueError):
    """A value that is not of the declared type; the message says what would be."""


def bind(declared: list[Parameter], given: Mapping[str, Json]) -> Bound | list[ProblemItem]:
    """Return the value of every declared parameter, or everything that is wrong with what was given."""
    values: dict[str, Json] = {}
    problems: list[ProblemItem] = []
    for parameter in declared:
        outcome = _bind_one(parameter, given)
        if isinstance(outcome, ProblemItem):
            problems.append(outcome)
        else:
            values[parameter.name] = outcome.value
    problems += _unknown(declared, given)
    return problems or Bound(values=values)


def typed(parameter: Parameter, value: Json) -> Json:
    """Return `value` as a value of the type that `parameter` declares. Raises `Mistyped`."""
    match parameter.type:
        case ParameterType.list:
            return _typed_list(parameter, value)
        case ParameterType.choice:
            return _typed_choice(parameter, value)
        case kind:
            return _typed_scalar(kind, value)


def pointer(*parts: str) -> str:
    """Return a JSON pointer (RFC 6901) to the named parts."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return ` (did you mean 'eps'?)` where a known name is close to `name`, and nothing where none is."""
    close = closest(name, known)
    return f" (did you mean {close!r}?)" if close else ""


def closest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is close to `name`, if one is."""
    return next(iter(get_close_matches(name[:100], [one for one in known if len(one) <= 100], n=1)), None)


def listed(names: Collection[str]) -> str:
    """Return the first names of a collection as text for a message."""
    first = sorted(names)[:20]
    return ", ".join(shown(name) for name in first) + (", …" if len(names) > len(first) else "")


def shown(value: Json) -> str:
    """Return a value as a message may hold it: as JSON, cut when it is long."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _WIDEST_INTEGER:
        return "the number"
    text = json.dumps(
        value[:_LONGEST_SHOWN] if isinstance(value, str) else value, ensure_ascii=False, default=str
    )
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


@dataclass(frozen=True)
class _Value:
    value: Json


def _bind_one(parameter: Parameter, given: Mapping[str, Json]) -> _Value | ProblemItem:
    at = pointer("parameters", parameter.name)
    if parameter.name not in given:
        if parameter.required:
            detail = f"{parameter.name!r} has no default: give it a value ({_wanted(parameter)})"
            return ProblemItem(pointer=at, code="missing_parameter", detail=detail)
        return _Value(parameter.default)
    value = given[parameter.name]
    try:
        return _Value(typed(parameter, value))
    except Mistyped as error:
        return ProblemItem(pointer=at, code="mistyped_parameter", detail=f"{parameter.name!r}: {error}")


def _unknown(declared: list[Parameter], given: Mapping[str, Json]) -> list[ProblemItem]:
    names = {parameter.name for parameter in declared}
    problems: list[ProblemItem] = []
    unknown = [name for name in given if name not in names]
    for name in unknown[:_MOST_UNKNOWN]:
        # Looking for close names costs: a flood of unknown ones gets no suggestions.
        hint = did_you_mean(name, names) if len(problems) < _SUGGESTED_AT_MOST else ""
        there = f"; declared are {listed(names)}" if names and not hint else ""
        detail = f"the entry point declares no parameter {shown(name)}{hint}{there}"
        problems.append(
            ProblemItem(pointer=pointer("parameters", name), code="unknown_parameter", detail=detail)
        )
    if len(unknown) > _MOST_UNKNOWN:
        detail = f"nor does it declare {len(unknown) - _MOST_UNKNOWN} other names"
        problems.append(ProblemItem(pointer="/parameters", code="unknown_parameter", detail=detail))
    return problems


def _wanted(parameter: Parameter) -> str:
    match parameter.type:
        case ParameterType.choice:
            return "one of " + ", ".join(shown(choice) for choice in parameter.choices or [])
        case ParameterType.list:
            items = parameter.items or ParameterType.string
            return f"a list of {items.value} values: JSON, or text separated by commas"
        case kind:
            return _WANTED[kind]


_WANTED = {
    ParameterType.string: "text",
    ParameterType.path: "a path, as text",
    ParameterType.uri: "a URI, as text",
    ParameterType.float: "a finite number",
    ParameterType.integer: "a whole number of at most 64 bits",
    ParameterType.boolean: "true or false",
}


def _typed_scalar(kind: ParameterType, value: Json) -> Json:
    number: float | None = None
    match kind, value:
        case ((ParameterType.string | ParameterType.path | ParameterType.uri), str()) if "\0" not in value:
            return value
        case ParameterType.boolean, bool():
            return value
        case ParameterType.boolean, str() if value.strip().lower() in _BOOLEANS:
            return _BOOLEANS[value.strip().lower()]
        case ParameterType.integer, (int() | float() | str()) if not isinstance(value, bool):
            number = _integer(value)
        case ParameterType.float, (int() | float() | str()) if not isinstance(value, bool):
            number = _float(value)
        case _:
            pass
    if number is None:
        raise Mistyped(f"{shown(value)} is not {_WANTED[kind]}")
    return number


def _integer(value: float | str) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        if not _INTEGER.fullmatch(value):
            return None
        value = int(value)
    # JSON knows one kind of number, and JavaScript writes 3.0 as 3: a whole float is a whole number.
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return value if abs(value) < _WIDEST_INTEGER else None


def _float(value: float | str) -> float | None:
    """Keep a whole number whole: `10` for a float reaches the command as 10, which scripts also read as an integer."""
    if isinstance(value, str):
        value = value.strip()
        if _INTEGER.fullmatch(value):
            value = int(value)
        elif len(value) <= 100 and _FLOAT.fullmatch(value):
            value = float(value)
        else:
            return None
    if isinstance(value, int):
        return value if abs(value) < _WIDEST_INTEGER else None
    return value if math.isfinite(value) else None


def _typed_choice(parameter: Parameter, value: Json) -> Json:
    choices = parameter.choices or []
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    for choice in choices:
        if not isinstance(choice, str) and _same(choice, value):
            return choice
    raise Mistyped(f"{shown(value)} is not {_wanted(parameter)}")


def _same(choice: Json, value: Json) -> bool:
    kind = ParameterType.boolean if isinstance(choice, bool) else ParameterType.float
    try:
        return _typed_scalar(kind, value) == choice
    except Mistyped:
        return False


def _typed_list(parameter: Parameter, value: Json) -> Json:
    items = _items(value)
    if items is None:
        raise Mistyped(f"{shown(value)} is not {_wanted(parameter)}")
    kind = parameter.items or ParameterType.string
    item = Parameter(name=parameter.name, type=kind, choices=parameter.choices)
    result = []
    for position, one in enumerate(items):
        try:
            result.append(typed(item, one))
        except Mistyped as error:
            raise Mistyped(f"item {position}: {error}") from error
    return result


def _items(value: Json) -> list[Json] | None:
    match value:
        case list():
            return value
        case str() if value.lstrip().startswith("["):
            try:
                parsed = json.loads(value)
            except (ValueError, RecursionError):
                return None
            return parsed if isinstance(parsed, list) else None
        case str():
            return [item.strip() for item in value.split(",")] if value.strip() else []
        case _:
            return None
