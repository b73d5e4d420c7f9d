"""Whether what is given can fit what is wanted: refused is only what can never fit.

A class that only its plugin knows, and everything that says nothing of its type, fits everywhere. A whole number is a
number; a list is an array's rows. A boolean is no number, although Python would take it, and text is none either:
nobody who writes `eps: "0.1"` means the text. A data set is no array: whoever gives one for inputs means a part of it.
"""

from collections.abc import Callable
from typing import Any

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.plugins import Kind, Type
from tiltyard_orchestrator.domain.graph.references import Reference, reference

# For what is wanted: what may still fit although it is called otherwise.
_ALSO: dict[Kind, frozenset[Kind]] = {
    Kind.float: frozenset({Kind.integer}),
    Kind.string: frozenset({Kind.path}),
    Kind.path: frozenset({Kind.string}),
    Kind.list: frozenset({Kind.tuple, Kind.array, Kind.table, Kind.dataset}),
    Kind.tuple: frozenset({Kind.list, Kind.array, Kind.dataset}),
    Kind.mapping: frozenset({Kind.table, Kind.dataset}),
    Kind.array: frozenset({Kind.list, Kind.tuple, Kind.table, Kind.integer, Kind.float}),
    Kind.table: frozenset({Kind.list, Kind.tuple, Kind.mapping, Kind.array, Kind.dataset}),
    Kind.dataset: frozenset({Kind.list, Kind.tuple, Kind.mapping, Kind.table}),
}
_PLAIN = frozenset({Kind.none, Kind.boolean, Kind.integer, Kind.float, Kind.string, Kind.path, Kind.choice})
"""What a part of a data set is not."""
_PARAMETERS = {
    ParameterType.string: Kind.string,
    ParameterType.uri: Kind.string,
    ParameterType.path: Kind.path,
    ParameterType.float: Kind.float,
    ParameterType.integer: Kind.integer,
    ParameterType.boolean: Kind.boolean,
    ParameterType.choice: Kind.choice,
    ParameterType.list: Kind.list,
}
_SCALARS = {
    type(None): Type(kind=Kind.none),
    bool: Type(kind=Kind.boolean),
    int: Type(kind=Kind.integer),
    float: Type(kind=Kind.float),
}


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of the type `given` can be one of the type `wanted`."""
    match given.kind, wanted.kind:
        case (Kind.any | Kind.other, _) | (_, Kind.any | Kind.other):
            return True
        case (Kind.union, _) | (_, Kind.union):
            return any(fits(one, other) for one in _members(given) for other in _members(wanted))
        case (Kind.choice, _) | (_, Kind.choice):
            return _choices_fit(given, wanted)
        case one, other if one is other:
            return _parts_fit(given, wanted)
        case Kind.tuple, Kind.list:
            return not wanted.of or all(fits(one, wanted.of[0]) for one in given.of)
        case _:
            plain = given.kind is Kind.dataset and any(one.kind in _PLAIN for one in wanted.of[-1:])
            return given.kind in _ALSO.get(wanted.kind, frozenset()) and not plain


def fits_literal(value: Any, wanted: Type) -> bool:
    """Whether a value as the file has it can be one of the type `wanted`; a whole float is a whole number."""
    match wanted.kind:
        case Kind.union if wanted.of:
            return any(fits_literal(value, one) for one in wanted.of)
        case Kind.choice if wanted.choices:
            return any(
                value == choice and isinstance(value, bool) is isinstance(choice, bool)
                for choice in wanted.choices
            )
        case Kind.integer if isinstance(value, float):
            return value.is_integer()
        case Kind.other:
            return True
        case _:
            return fits(type_of(value), wanted)


def type_of(value: Any, refer: Callable[[Reference], Type] | None = None) -> Type:
    """Return the type of a value that stands in the file; `refer` tells what its references give."""
    match value:
        case list():
            return Type(kind=Kind.tuple, of=[type_of(item, refer) for item in value])
        case dict():
            values = [type_of(item, refer) for item in value.values()]
            return Type(kind=Kind.mapping, of=[_either([type_of(key) for key in value]), _either(values)])
        case str():
            found = reference(value)
            return refer(found) if refer and found else Type(kind=Kind.string)
        case _:
            return _SCALARS.get(type(value), Type())


def parameter_type(parameter: Parameter) -> Type:
    """Return what a declared parameter gives to a task."""
    kind = _PARAMETERS[parameter.type]
    if kind is Kind.choice:
        return Type(kind=kind, choices=parameter.choices or [])
    if kind is Kind.list:
        item = parameter.items or ParameterType.string
        inner = Type(kind=_PARAMETERS[item])
        if item is ParameterType.choice:
            inner = Type(kind=Kind.choice, choices=parameter.choices or [])
        return Type(kind=kind, of=[inner])
    return Type(kind=kind)


def _members(kind: Type) -> list[Type]:
    """What a type may be: nothing is known of a union that names nothing."""
    return (kind.of or [Type()]) if kind.kind is Kind.union else [kind]


def _choices_fit(given: Type, wanted: Type) -> bool:
    """A choice is as good as the best of its values; one that names none may be anything."""
    if given.kind is Kind.choice:
        return not given.choices or any(fits_literal(choice, wanted) for choice in given.choices)
    return not wanted.choices or any(fits(given, type_of(choice)) for choice in wanted.choices)


def _either(kinds: list[Type]) -> Type:
    """One of several types: of an empty collection, nothing is known."""
    return kinds[0] if len(kinds) == 1 else Type(kind=Kind.union, of=kinds)


def _parts_fit(given: Type, wanted: Type) -> bool:
    if not given.of or not wanted.of:
        return True
    match wanted.kind:
        case Kind.tuple if not _is_open(wanted) and not _is_open(given):
            return len(given.of) == len(wanted.of) and all(map(fits, given.of, wanted.of))
        case Kind.list:
            return fits(given.of[0], wanted.of[0])
        case Kind.mapping if len(given.of) == 2 and len(wanted.of) == 2:
            return all(map(fits, given.of, wanted.of))
        case _:
            return True


def _is_open(kind: Type) -> bool:
    """Whether a tuple may have any length: `tuple[int, ...]` may be told as a single part."""
    return len(kind.of) < 2
