"""Types by their names: those of Dioptra's task engine, our own, and those that a graph's `types` defines.

A defined type may be nothing but a name, a kind of another (`is_a`), a list, a tuple, a mapping or a union. A name that
stands nowhere is a class that only its plugin knows.
"""

from typing import Any

from tiltyard.wire.plugins import Kind, Type

MOST = 10_000
"""Types that are made of one graph's definitions, which may each name others several times over."""
_DEEPEST = 20
_NAMES = {
    **{kind.value: kind for kind in Kind if kind not in (Kind.other, Kind.choice, Kind.union)},
    "number": Kind.float,
    "null": Kind.none,
    "text": Kind.string,
    "str": Kind.string,
    "int": Kind.integer,
    "bool": Kind.boolean,
    "np.ndarray": Kind.array,
    "numpy.ndarray": Kind.array,
    "pd.DataFrame": Kind.table,
    "pandas.DataFrame": Kind.table,
}


class DefinedTypes(dict[str, Any]):
    """What a graph defines under `types`, and how much may still be made of it."""

    left = MOST

    @property
    def make_too_much(self) -> bool:
        """Whether more was to be made of them than is."""
        return self.left < 0


def type_named(written: Any, defined: DefinedTypes, depth: int = 0) -> Type:
    """Return the type that a name or a structure stands for; any, where the definitions make too much."""
    defined.left -= 1
    if depth > _DEEPEST or defined.make_too_much:  # the former are defined by themselves
        return Type()
    match written:
        case str() if written in defined:
            return _defined(written, defined, depth + 1)
        case str():
            kind = _NAMES.get(written)
            return Type(kind=kind) if kind else Type(kind=Kind.other, name=written)
        case dict():
            return _structure(written, defined, depth + 1)
        case _:
            return Type()


def _defined(name: str, defined: DefinedTypes, depth: int) -> Type:
    match defined[name]:
        case None:
            return Type(kind=Kind.other, name=name)
        case {"is_a": above}:
            return type_named(above, defined, depth)
        case body if isinstance(body, dict) and body:
            return _structure(body, defined, depth)
        case _:
            return Type(kind=Kind.other, name=name)


def _structure(body: dict[Any, Any], defined: DefinedTypes, depth: int) -> Type:
    match body:
        case {"list": item}:
            return Type(kind=Kind.list, of=[type_named(item, defined, depth)])
        case {"tuple": list(items)}:
            return Type(kind=Kind.tuple, of=[type_named(one, defined, depth) for one in items])
        case {"union": list(members)}:
            return Type(kind=Kind.union, of=[type_named(one, defined, depth) for one in members])
        case {"mapping": [key, value]}:
            return Type(
                kind=Kind.mapping, of=[type_named(key, defined, depth), type_named(value, defined, depth)]
            )
        case {"mapping": _}:
            return Type(kind=Kind.mapping)
        case _:
            return Type()
