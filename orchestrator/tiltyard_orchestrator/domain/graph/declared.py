"""Reads the parameters that a graph file declares: as an MLproject does, or as Dioptra's task engine does.

Both write `name: {type: ..., default: ...}`. A bare word is a type where it is one (`eps: float`), and any other bare value
is a default, whose type is the parameter's (`eps: 0.1`). Mappings and lists of anything have no form on a command line: they
are declared as text that holds JSON, and reach the tasks as what the JSON says.
"""

import json
from collections.abc import Mapping
from typing import Any

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.plugins import Kind, Type
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.declared_parameters import read_parameters
from tiltyard_orchestrator.domain.graph.named_types import DefinedTypes, type_named

_ALIASES = {"number": "float", "text": "string", "str": "string", "int": "integer", "bool": "boolean"}
_KNOWN = {kind.value for kind in ParameterType} | set(_ALIASES)
_ITEMS = {bool: "boolean", int: "integer", float: "float", str: "string"}
IN_JSON = "JSON"


class Declared:
    """The parameters of one file, and the problems with them."""

    def __init__(self, fields: Mapping[str, Any], types: DefinedTypes) -> None:
        self.structured: dict[str, Type] = {}
        self._types = types
        self._written = {name: self._as_in_mlproject(name, value) for name, value in fields.items()}

    def read(self) -> tuple[list[Parameter], list[ProblemItem]]:
        """Return the parameters whose types could be read, and every problem, by pointers from `/parameters` on."""
        return read_parameters(self._written)

    def _as_in_mlproject(self, name: str, value: Any) -> Any:
        match value:
            case dict():
                return self._typed(name, value)
            case str() if value in _KNOWN:
                return {"type": _ALIASES.get(value, value)}
            case str() if type_named(value, self._types).kind not in (Kind.other, Kind.any):
                return self._typed(name, {"type": value})
            case None:
                return {}
            case _:
                return self._typed(name, {"default": value})

    def _typed(self, name: str, fields: dict[Any, Any]) -> dict[Any, Any]:
        written, default = fields.get("type"), fields.get("default")
        if written is None:
            return {**fields, **self._type_of_default(name, default)}
        if isinstance(written, str) and written in _KNOWN and written not in self._types:
            return {**fields, "type": _ALIASES.get(written, written)}
        kind = type_named(written, self._types)
        if kind.kind is Kind.other and isinstance(written, str) and written not in self._types:
            return fields  # a type that nobody knows is told by whoever reads it
        return {**fields, **self._for_kind(name, kind, default)}

    def _type_of_default(self, name: str, default: Any) -> dict[str, Any]:
        kind = _ITEMS.get(type(default))
        if kind is not None:
            return {"type": kind}
        if isinstance(default, list) and len({type(item) for item in default}) == 1:
            items = _ITEMS.get(type(default[0]))
            if items is not None:
                return {"type": "list", "items": items}
        if isinstance(default, (list, dict)):
            return self._in_json(name, Type(kind=Kind.any), default)
        return {}

    def _for_kind(self, name: str, kind: Type, default: Any) -> dict[str, Any]:
        plain = {
            Kind.string: "string",
            Kind.float: "float",
            Kind.integer: "integer",
            Kind.boolean: "boolean",
            Kind.path: "path",
        }.get(kind.kind)
        return {"type": plain} if plain else self._in_json(name, kind, default)

    def _in_json(self, name: str, kind: Type, default: Any) -> dict[str, Any]:
        self.structured[name] = kind
        held = {} if default is None else {"default": _json(default)}
        return {"type": "string", "help": IN_JSON, **held}


def _json(value: Any) -> str:
    """A default as JSON text; text that is JSON already stays."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return json.dumps(value)
        return value
    return json.dumps(value, default=str)


def place_of(problem: ProblemItem) -> tuple[str, ...]:
    """Return the path that a problem's pointer names."""
    parts = problem.pointer.split("/")[1:]
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


__all__ = ["IN_JSON", "Declared", "place_of"]
