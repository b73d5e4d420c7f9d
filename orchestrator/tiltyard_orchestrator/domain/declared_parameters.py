"""Reads declared parameters, as an MLproject and a graph write them: `eps: float`, or `eps: {type: float, default: 0.1}`.

Every default is of its declared type, and every problem is told, each with a pointer to what was declared.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.command import PARAMETER_NAME
from tiltyard_orchestrator.domain.parameters import Mistyped, did_you_mean, pointer, shown, typed

_PARAMETER_KEYS = ("type", "default", "help", "choices", "items")
# What MLproject files in the wild write for our types: MLflow itself never looks.
_ALIASES = {"str": "string", "int": "integer", "bool": "boolean"}
_TYPES = {
    **{kind.value: kind for kind in ParameterType},
    **{k: ParameterType(v) for k, v in _ALIASES.items()},
}
_TEXTUAL = (ParameterType.string, ParameterType.path, ParameterType.uri)


def read_parameters(declared: object) -> tuple[list[Parameter], list[ProblemItem]]:
    """Return the parameters of a mapping of names to declarations, and every problem, by pointers from `/parameters` on.

    A parameter is there where its type could be read, whatever else is wrong with it.
    """
    reader = Reader()
    _, parameters = reader.parameters(declared, ())
    return parameters, reader.problems


class Reader:
    """One reading of what somebody declared: the problems met so far, and a method for each level."""

    def __init__(self) -> None:
        self.problems: list[ProblemItem] = []

    def parameters(
        self, declared: object, above: tuple[str, ...]
    ) -> tuple[Mapping[str, object], list[Parameter]]:
        """Return what is declared, by its names, and the parameters whose types could be read."""
        fields = self._mapping(
            {} if declared is None else declared,
            (*above, "parameters"),
            "`parameters` maps names to types, such as `eps: float`",
        )
        return fields, [one for key, value in fields.items() if (one := self._parameter(key, value, above))]

    def _parameter(self, name: str, declared: object, entry: tuple[str, ...]) -> Parameter | None:
        at = (*entry, "parameters", name)
        before = len(self.problems)
        if not PARAMETER_NAME.fullmatch(name):
            self._tell(
                "malformed_mlproject",
                at,
                "a parameter's name is letters, digits, _ and -, a letter or _ first",
            )
        body = {"type": declared} if isinstance(declared, str) else declared
        fields = self._mapping(
            body, at, "a parameter is a type (`eps: float`) or a mapping with `type` and `default`"
        )
        self._near_misses(fields, _PARAMETER_KEYS, at)
        kind = self._type(fields.get("type", "string"), (*at, "type"))
        items = self._item_type(kind, fields.get("items"), at)
        choices = self._choices(kind, items, fields.get("choices"), at)
        if len(self.problems) > before:
            return None
        help_text = self._scalar_text(fields.get("help", fields.get("description")))
        parameter = Parameter(name=name, type=kind, choices=choices, items=items, help=help_text)
        return self._with_default(parameter, fields.get("default"), at)

    def _with_default(self, parameter: Parameter, default: object, at: tuple[str, ...]) -> Parameter:
        if default is None:  # as in MLflow, `default:` without a value is no default
            return parameter
        try:
            value = typed(parameter, _default(parameter.type, default))
            return Parameter.model_validate({**parameter.model_dump(), "default": value, "required": False})
        except Mistyped as error:
            self._tell("mistyped_default", (*at, "default"), f"the default {error}")
        except ValueError:
            self._tell(
                "mistyped_default", (*at, "default"), "the default holds a character that cannot be stored"
            )
        return parameter

    def _type(self, name: object, at: tuple[str, ...]) -> ParameterType:
        kind = _TYPES.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(each.value for each in ParameterType)
            hint = did_you_mean(name, _TYPES) if isinstance(name, str) else ""
            self._tell("unknown_type", at, f"{brief(name)} is no type{hint}: known are {known}")
            return ParameterType.string
        return kind

    def _item_type(self, kind: ParameterType, items: object, at: tuple[str, ...]) -> ParameterType | None:
        if kind is not ParameterType.list or items is None:
            return None
        item = self._type(items, (*at, "items"))
        if item is ParameterType.list:
            self._tell("unknown_type", (*at, "items"), "a list holds no lists")
        return item

    def _choices(
        self, kind: ParameterType, items: ParameterType | None, choices: object, at: tuple[str, ...]
    ) -> list[Json] | None:
        if ParameterType.choice not in (kind, items):
            return None
        if isinstance(choices, list) and choices and all(_is_choice(one) for one in choices):
            return [_finite(one) for one in choices]
        self._tell(
            "malformed_mlproject", (*at, "choices"), "a choice lists its `choices`, such as [l1, l2, inf]"
        )
        return None

    def _mapping(self, value: object, at: tuple[str, ...], wanted: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self._tell("malformed_mlproject", at, f"{wanted}; here stands {brief(value)}")
            return {}
        named = {}
        for key, each in value.items():
            if isinstance(key, str) and key and is_storable(key):
                named[key] = each
            else:
                self._tell("malformed_mlproject", at, f"the key {brief(key)} is no name: write it in quotes")
        return named

    def _near_misses(self, keys: Iterable[str], known: tuple[str, ...], at: tuple[str, ...]) -> None:
        for key in keys:
            if key not in known and (close := get_close_matches(key[:100], known, n=1, cutoff=0.7)):
                self._tell(
                    "unknown_key", (*at, key), f"{key!r} means nothing here (did you mean {close[0]!r}?)"
                )

    def _scalar_text(self, value: object) -> str:
        text = str(value) if isinstance(value, (str, int, float)) else ""
        return text if is_storable(text) else ""

    def _tell(self, code: str, at: tuple[str, ...], detail: str) -> None:
        self.problems.append(ProblemItem(pointer=pointer(*at), code=code, detail=detail))


def _default(kind: ParameterType, value: object) -> Json:
    """A default as YAML gives it, in JSON: what YAML took for a number or a date is text where text is declared."""
    if kind in _TEXTUAL and isinstance(value, (bool, int, float, dt.date)):
        return str(value)  # MLflow's own text for it: `default: false` is "False"
    if isinstance(value, list):
        return [_default(ParameterType.list, item) for item in value]
    if isinstance(value, (str, bool, int, float)):
        return _finite(value) if kind is ParameterType.choice else value
    if isinstance(value, dt.date):
        return str(value)
    raise Mistyped(f"{brief(value)} is not a value")


def _finite(value: str | float) -> Json:
    """A choice may be `.inf`: it is the text `inf` then, since JSON has no such number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_choice(value: object) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and is_storable(value))


def is_storable(text: str) -> bool:
    """Whether a database column can hold a text: no NUL, no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def brief(value: object) -> str:
    """Return what stands somewhere, as a message may say it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str() | bool() | int() | float():
            return shown(value)
        case _:
            return f"a {type(value).__name__}"
