"""Reads a `dioptra.toml` into values, or tells every problem with its form."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import did_you_mean, pointer

NAME = "dioptra.toml"
_TOP = ("plugins", "plugin_param_types", "entrypoints")
_PLUGIN = ("path", "description", "tasks")
_ENTRY = ("path", "name", "description", "params", "artifact_params", "plugins", "artifact_plugins", "queues")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A function that is a task, or a class that is an artifact task."""

    filename: str
    name: str
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def module(self) -> str:
        """Its file as a module, relative to the plugin's package."""
        parts = PurePosixPath(self.filename).with_suffix("").parts
        return ".".join(parts[:-1] if parts and parts[-1] == "__init__" else parts)


@dataclass(frozen=True, kw_only=True)
class DioptraPlugin:
    """A plugin that is described."""

    name: str
    path: PurePosixPath
    description: str
    functions: list[Listed]
    artifacts: list[Listed]
    at: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DioptraEntryPoint:
    """An entry point that is described."""

    name: str
    path: PurePosixPath
    description: str
    parameters: list[dict[str, Any]]
    artifact_inputs: list[dict[str, Any]]
    plugins: list[str]
    artifact_plugins: list[str]
    at: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Description:
    """A whole file."""

    plugins: list[DioptraPlugin]
    types: dict[str, Any]
    """The structures of its types, by name; None for those that have a name alone."""
    entry_points: list[DioptraEntryPoint]


def read_description(folder: Path) -> Description | list[ProblemItem]:
    """Return what the `dioptra.toml` of a folder describes, or every problem with its form."""
    path = folder / NAME
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [_problem("no_description", (), f"there is no {NAME} in {folder}")]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        return [_problem("malformed_toml", (), f"{NAME} cannot be read: {error}")]
    reader = _Reader()
    description = reader.description(document)
    return reader.problems or description


class _Reader:
    """One reading, and the problems met so far."""

    def __init__(self) -> None:
        self.problems: list[ProblemItem] = []

    def description(self, document: Mapping[str, Any]) -> Description:
        self._known(document, _TOP, ())
        types = {
            one.get("name"): one.get("structure")
            for _, one in self._tables(document, "plugin_param_types", ())
        }
        return Description(
            plugins=[self._plugin(one, at) for at, one in self._tables(document, "plugins", ())],
            types={name: structure for name, structure in types.items() if isinstance(name, str)},
            entry_points=[
                self._entry_point(one, at) for at, one in self._tables(document, "entrypoints", ())
            ],
        )

    def _plugin(self, table: Mapping[str, Any], at: tuple[str, ...]) -> DioptraPlugin:
        self._known(table, _PLUGIN, at)
        path = self._path(table, at)
        tasks = table.get("tasks", {})
        # Older files list the functions themselves.
        functions, artifacts = (tasks, {}) if isinstance(tasks, list) else (tasks, tasks)
        return DioptraPlugin(
            name=path.stem,
            path=path,
            description=self._text(table, "description", at),
            functions=self._listed(
                {"functions": functions} if isinstance(functions, list) else functions, "functions", at
            ),
            artifacts=self._listed(artifacts, "artifacts", at),
            at=at,
        )

    def _listed(self, tasks: object, key: str, at: tuple[str, ...]) -> list[Listed]:
        if not isinstance(tasks, dict):
            self._tell("malformed_toml", (*at, "tasks"), "`tasks` holds `functions` and `artifacts`")
            return []
        return [
            Listed(
                filename=self._text(one, "filename", here, needed=True),
                name=self._text(one, "name", here, needed=True),
                inputs=[table for _, table in self._tables(one, "input_params", here)],
                outputs=[table for _, table in self._tables(one, "output_params", here)],
            )
            for here, one in self._tables(tasks, key, (*at, "tasks"))
        ]

    def _entry_point(self, table: Mapping[str, Any], at: tuple[str, ...]) -> DioptraEntryPoint:
        self._known(table, _ENTRY, at)
        path = self._path(table, at)
        return DioptraEntryPoint(
            name=self._text(table, "name", at) or path.stem,
            path=path,
            description=self._text(table, "description", at),
            parameters=[one for _, one in self._tables(table, "params", at)],
            artifact_inputs=[one for _, one in self._tables(table, "artifact_params", at)],
            plugins=self._names(table, "plugins", at),
            artifact_plugins=self._names(table, "artifact_plugins", at),
            at=at,
        )

    def _tables(
        self, above: Mapping[str, Any], key: str, at: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        listed = above.get(key, [])
        if not isinstance(listed, list):
            self._tell("malformed_toml", (*at, key), f"`{key}` is a list of tables")
            return
        for index, one in enumerate(listed):
            here = (*at, key, str(index))
            if isinstance(one, dict):
                yield here, one
            else:
                self._tell("malformed_toml", here, f"`{key}` is a list of tables")

    def _text(self, table: Mapping[str, Any], key: str, at: tuple[str, ...], *, needed: bool = False) -> str:
        value = table.get(key)
        if isinstance(value, str) or (value is None and not needed):
            return (value or "").strip()
        self._tell("malformed_toml", (*at, key), f"`{key}` is a text")
        return ""

    def _names(self, table: Mapping[str, Any], key: str, at: tuple[str, ...]) -> list[str]:
        value = table.get(key, [])
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        self._tell("malformed_toml", (*at, key), f"`{key}` is a list of names")
        return []

    def _path(self, table: Mapping[str, Any], at: tuple[str, ...]) -> PurePosixPath:
        path = PurePosixPath(self._text(table, "path", at, needed=True))
        if path.is_absolute() or ".." in path.parts or not path.name:
            self._tell(
                "malformed_toml", (*at, "path"), f"{str(path)!r} is no path below the folder of {NAME}"
            )
        return path

    def _known(self, table: Mapping[str, Any], known: tuple[str, ...], at: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                hint = did_you_mean(key, known) or f": known are {', '.join(known)}"
                self._tell("unknown_key", (*at, key), f"{key!r} means nothing here{hint}")

    def _tell(self, code: str, at: tuple[str, ...], detail: str) -> None:
        self.problems.append(_problem(code, at, detail))


def _problem(code: str, at: tuple[str, ...], detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer(NAME, *at), code=code, detail=detail)
