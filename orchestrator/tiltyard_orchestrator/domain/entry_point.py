"""Reads an `MLproject`, already parsed from YAML, into entry points that can run.

It is MLflow's file, read as MLflow reads it, and checked further: every placeholder of a command is declared, every
default is of its declared type. Ours are `plugins`, and `graph`, which an entry point has in place of a `command`. Keys of
MLflow that change nothing here (`docker_env`, `conda_env`) are told as warnings; a key that looks like one of ours misspelt
is a problem; any other key is another tool's, and left alone.
Every problem is told, each with a pointer such as `/MLproject/entry_points/main/command`.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import PurePosixPath

from tiltyard.wire.archives import EntryPoint, Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.command import PARAMETER_NAME, CommandRefused, placeholders
from tiltyard_orchestrator.domain.graph_entry import GraphEntry, Texts, command_for, read_graph_entry
from tiltyard_orchestrator.domain.parameters import Mistyped, did_you_mean, pointer, shown, typed
from tiltyard_orchestrator.domain.pins import PLUGIN

DEFAULT_OUTPUTS = "outputs"
"""The folder whose files are gathered, where the entry point names none."""

_ENVIRONMENTS = ("docker_env", "conda_env", "python_env", "databricks_spark_job")
_TOP_KEYS = ("name", "entry_points", "plugins", *_ENVIRONMENTS)
_ENTRY_KEYS = ("command", "parameters", "outputs", "plugins", "graph")
_MOST_PLUGINS = 50
_PARAMETER_KEYS = ("type", "default", "help", "choices", "items")
# What MLproject files in the wild write for our types: MLflow itself never looks.
_ALIASES = {"str": "string", "int": "integer", "bool": "boolean"}
_TYPES = {
    **{kind.value: kind for kind in ParameterType},
    **{k: ParameterType(v) for k, v in _ALIASES.items()},
}
_TEXTUAL = (ParameterType.string, ParameterType.path, ParameterType.uri)


@dataclass(frozen=True, kw_only=True)
class Project:
    """What an MLproject declares."""

    name: str
    """Empty where the file gives none."""
    entry_points: list[EntryPoint]
    warnings: list[str] = field(default_factory=list)
    """What will not fail, and may still surprise."""


def read_project(document: object, texts: Texts | None = None) -> Project | list[ProblemItem]:
    """Return the project that a parsed MLproject declares, or every problem with it.

    Args:
        document: what YAML made of it.
        texts: the files that it names as graphs.
    """
    reader = _Reader(texts or {})
    project = reader.project(document)
    return reader.problems or project


class _Reader:
    """One reading: the problems met so far, and a method for each level of the file."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._plugins: list[str] = []
        self.problems: list[ProblemItem] = []

    def project(self, document: object) -> Project:
        at = ("MLproject",)
        top = self._mapping(document, at, "the MLproject holds `entry_points`, each with a `command`")
        self._near_misses(top, _TOP_KEYS, at)
        name = top.get("name")
        if isinstance(name, (dict, list)):
            self._tell("malformed_mlproject", (*at, "name"), "a name is text")
        self._plugins = self._named_plugins(top.get("plugins"), at)
        entries = self._entries(top, at) if isinstance(document, dict) else {}
        return Project(
            name=self._scalar_text(name),
            entry_points=[one for key, entry in entries.items() if (one := self._entry_point(key, entry))],
            warnings=[
                f"{key} does not apply here: the queue's image is the environment"
                for key in _ENVIRONMENTS
                if top.get(key)
            ],
        )

    def _entries(self, top: Mapping[str, object], project: tuple[str, ...]) -> Mapping[str, object]:
        at = (*project, "entry_points")
        entries = top.get("entry_points")
        if entries is None or entries == {}:
            self._tell("no_entry_points", at, "declare an entry point, such as `main`, with a `command`")
            return {}
        return self._mapping(entries, at, "`entry_points` maps names to entry points")

    def _entry_point(self, name: str, entry: object) -> EntryPoint | None:
        at = ("MLproject", "entry_points", name)
        before = len(self.problems)
        body = self._mapping(entry, at, "an entry point holds a `command`, or a `graph`")
        if len(self.problems) > before:
            return None
        self._near_misses(body, _ENTRY_KEYS, at)
        declared = body.get("parameters")
        fields = self._mapping(
            {} if declared is None else declared,
            (*at, "parameters"),
            "`parameters` maps names to types, such as `eps: float`",
        )
        parameters = [one for key, value in fields.items() if (one := self._parameter(key, value, at))]
        own = self._named_plugins(body.get("plugins"), at)
        outputs = self._outputs(body.get("outputs"), at)
        graph = self._graph(body, at) if "graph" in body else None
        command = "" if "graph" in body else self._command(body.get("command"), fields, at)
        if len(self.problems) > before:
            return None
        if graph is not None:
            named = {one.name for one in parameters}
            parameters += [one for one in graph.parameters if one.name not in named]
            command = command_for(name, graph.file.path, parameters)
        return EntryPoint(
            name=name,
            command=command,
            parameters=parameters,
            outputs=outputs,
            plugins=_together(own, self._plugins),
            graph=graph.file if graph else None,
        )

    def _graph(self, body: Mapping[str, object], entry: tuple[str, ...]) -> GraphEntry | None:
        at = (*entry, "graph")
        if body.get("command") is not None:
            self._tell("malformed_mlproject", at, "an entry point has a `command` or a `graph`, and not both")
            return None
        found = read_graph_entry(body["graph"], self._texts, at)
        if isinstance(found, GraphEntry):
            return found
        self.problems += found
        return None

    def _named_plugins(self, plugins: object, above: tuple[str, ...]) -> list[str]:
        if plugins is None:
            return []
        at = (*above, "plugins")
        if not isinstance(plugins, list) or len(plugins) > _MOST_PLUGINS:
            wanted = f"`plugins` lists at most {_MOST_PLUGINS} plugins, each as `name` or `name==version`"
            self._tell("malformed_mlproject", at, f"{wanted}; here stands {_brief(plugins)}")
            return []
        for number, one in enumerate(plugins):
            if not isinstance(one, str) or not PLUGIN.fullmatch(one.strip()):
                detail = f"{_brief(one)} is no plugin: write its name, or name==version"
                self._tell("malformed_plugin", (*at, str(number)), detail)
        return [one.strip() for one in plugins if isinstance(one, str)]

    def _command(self, command: object, declared: Iterable[str], entry: tuple[str, ...]) -> str:
        at = (*entry, "command")
        if not isinstance(command, str) or not command.strip() or not _is_storable(command):
            what = "there is no command" if command is None else f"{_brief(command)} is no command"
            self._tell("malformed_mlproject", at, f"{what}: write one line for the shell, as text")
            return ""
        try:
            names = placeholders(command)
        except CommandRefused as error:
            self._tell("unsafe_command", at, str(error))
            return ""
        known = list(declared)
        for name in names:
            if name not in known:
                detail = f"the command uses {{{name}}}, which is not among its parameters{did_you_mean(name, known)}"
                self._tell("undeclared_parameter", at, detail)
        return command

    def _outputs(self, outputs: object, entry: tuple[str, ...]) -> str:
        if outputs is None:
            return DEFAULT_OUTPUTS
        at = (*entry, "outputs")
        if not isinstance(outputs, str) or "\\" in outputs or not _is_storable(outputs):
            self._tell("malformed_mlproject", at, f"{_brief(outputs)} is no folder: write a relative path")
            return ""
        path = PurePosixPath(outputs)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            self._tell(
                "malformed_mlproject", at, f"{_brief(outputs)} does not lie below the MLproject's folder"
            )
        return str(path)

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

    def _with_default(self, parameter: Parameter, default: object, at: tuple[str, ...]) -> Parameter | None:
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
        return None

    def _type(self, name: object, at: tuple[str, ...]) -> ParameterType:
        kind = _TYPES.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(each.value for each in ParameterType)
            hint = did_you_mean(name, _TYPES) if isinstance(name, str) else ""
            self._tell("unknown_type", at, f"{_brief(name)} is no type{hint}: known are {known}")
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
            self._tell("malformed_mlproject", at, f"{wanted}; here stands {_brief(value)}")
            return {}
        named = {}
        for key, each in value.items():
            if isinstance(key, str) and key and _is_storable(key):
                named[key] = each
            else:
                self._tell("malformed_mlproject", at, f"the key {_brief(key)} is no name: write it in quotes")
        return named

    def _near_misses(self, keys: Iterable[str], known: tuple[str, ...], at: tuple[str, ...]) -> None:
        for key in keys:
            if key not in known and (close := get_close_matches(key[:100], known, n=1, cutoff=0.7)):
                self._tell(
                    "unknown_key", (*at, key), f"{key!r} means nothing here (did you mean {close[0]!r}?)"
                )

    def _scalar_text(self, value: object) -> str:
        text = str(value) if isinstance(value, (str, int, float)) else ""
        return text if _is_storable(text) else ""

    def _tell(self, code: str, at: tuple[str, ...], detail: str) -> None:
        self.problems.append(ProblemItem(pointer=pointer(*at), code=code, detail=detail))


def _together(own: list[str], shared: list[str]) -> list[str]:
    """An entry point's plugins, and of those that the whole project has the ones that it does not name itself."""
    named = {one.partition("==")[0].strip() for one in own}
    return [*own, *(one for one in shared if one.partition("==")[0].strip() not in named)]


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
    raise Mistyped(f"{_brief(value)} is not a value")


def _finite(value: str | float) -> Json:
    """A choice may be `.inf`: it is the text `inf` then, since JSON has no such number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_choice(value: object) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and _is_storable(value))


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _brief(value: object) -> str:
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
