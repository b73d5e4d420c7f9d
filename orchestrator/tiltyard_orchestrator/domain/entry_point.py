"""Reads an `MLproject`, already parsed from YAML, into entry points that can run.

It is MLflow's file, read as MLflow reads it, and checked further: every placeholder of a command is declared, every
default is of its declared type. Ours are `plugins`, and `graph`, which an entry point has in place of a `command`. Keys of
MLflow that change nothing here (`docker_env`, `conda_env`) are told as warnings; a key that looks like one of ours misspelt
is a problem; any other key is another tool's, and left alone.
Every problem is told, each with a pointer such as `/MLproject/entry_points/main/command`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from tiltyard.wire.archives import EntryPoint, Parameter
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.command import CommandRefused, placeholders
from tiltyard_orchestrator.domain.declared_parameters import Reader, brief, is_storable
from tiltyard_orchestrator.domain.graph import Catalogue
from tiltyard_orchestrator.domain.graph_entry import GraphEntry, Texts, command_for, read_graph_entry
from tiltyard_orchestrator.domain.parameters import did_you_mean
from tiltyard_orchestrator.domain.pins import PLUGIN

DEFAULT_OUTPUTS = "outputs"
"""The folder whose files are gathered, where the entry point names none."""

_ENVIRONMENTS = ("docker_env", "conda_env", "python_env", "databricks_spark_job")
_TOP_KEYS = ("name", "entry_points", "plugins", *_ENVIRONMENTS)
_ENTRY_KEYS = ("command", "parameters", "outputs", "plugins", "graph")
_MOST_PLUGINS = 50


@dataclass(frozen=True, kw_only=True)
class Project:
    """What an MLproject declares."""

    name: str
    """Empty where the file gives none."""
    entry_points: list[EntryPoint]
    warnings: list[str] = field(default_factory=list)
    """What will not fail, and may still surprise."""


@dataclass(frozen=True, kw_only=True)
class GraphUse:
    """A graph, and what the entry point that it is says for it."""

    entry_point: str
    entry: GraphEntry
    parameters: list[Parameter]
    plugins: list[str]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A project as far as it could be read."""

    project: Project
    own: list[ProblemItem]
    """What is wrong with the MLproject itself."""
    names: list[str]
    """Of all its entry points, those that could not be read among them."""
    graphs: list[GraphUse]

    def problems(self, catalogues: Mapping[str, Catalogue] | None = None) -> list[ProblemItem]:
        """Return every problem, those of the graphs among them; none says that the project is whole.

        Args:
            catalogues: by entry point the tasks to check its graph against; without, its form alone is told.
        """
        found = list(self.own)
        for use in self.graphs:
            told = use.entry.problems((catalogues or {}).get(use.entry_point), use.parameters)
            found += [one for one in told if one not in found]
        return found


def read_project(document: object, texts: Texts | None = None) -> Project | list[ProblemItem]:
    """Return the project that a parsed MLproject declares, or every problem with its form.

    Args:
        document: what YAML made of it.
        texts: the files that it names as graphs.
    """
    draft = read_draft(document, texts)
    return draft.problems() or draft.project


def read_draft(document: object, texts: Texts | None = None) -> Draft:
    """Return what a parsed MLproject declares as far as it can be read, so that its graphs can be checked further."""
    reader = _Reader(texts or {})
    project = reader.project(document)
    return Draft(project=project, own=reader.problems, names=reader.names, graphs=reader.graphs)


class _Reader(Reader):
    """One reading of an MLproject."""

    def __init__(self, texts: Texts) -> None:
        super().__init__()
        self.names: list[str] = []
        self.graphs: list[GraphUse] = []
        self._texts = texts
        self._plugins: list[str] = []

    def project(self, document: object) -> Project:
        at = ("MLproject",)
        top = self._mapping(document, at, "the MLproject holds `entry_points`, each with a `command`")
        self._near_misses(top, _TOP_KEYS, at)
        name = top.get("name")
        if isinstance(name, (dict, list)):
            self._tell("malformed_mlproject", (*at, "name"), "a name is text")
        self._plugins = self._named_plugins(top.get("plugins"), at)
        entries = self._entries(top, at) if isinstance(document, dict) else {}
        self.names = list(entries)
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
        fields, parameters = self.parameters(body.get("parameters"), at)
        plugins = _together(self._named_plugins(body.get("plugins"), at), self._plugins)
        outputs = self._outputs(body.get("outputs"), at)
        graph = self._graph(body, at) if "graph" in body else None
        command = "" if "graph" in body else self._command(body.get("command"), fields, at)
        if graph is not None:
            missed = _names_in(body) - {one.name for one in parameters}
            used = replace(graph, graph=graph.graph.without(missed))
            self.graphs.append(
                GraphUse(entry_point=name, entry=used, parameters=list(parameters), plugins=plugins)
            )
        if len(self.problems) > before or (graph is not None and graph.graph.problems):
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
            plugins=plugins,
            graph=graph.file if graph else None,
        )

    def _graph(self, body: Mapping[str, object], entry: tuple[str, ...]) -> GraphEntry | None:
        at = (*entry, "graph")
        if body.get("command") is not None:
            self._tell("malformed_mlproject", at, "an entry point has a `command` or a `graph`, and not both")
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
            self._tell("malformed_mlproject", at, f"{wanted}; here stands {brief(plugins)}")
            return []
        for number, one in enumerate(plugins):
            if not isinstance(one, str) or not PLUGIN.fullmatch(one.strip()):
                detail = f"{brief(one)} is no plugin: write its name, or name==version"
                self._tell("malformed_plugin", (*at, str(number)), detail)
        return [one.strip() for one in plugins if isinstance(one, str)]

    def _command(self, command: object, declared: Iterable[str], entry: tuple[str, ...]) -> str:
        at = (*entry, "command")
        if not isinstance(command, str) or not command.strip() or not is_storable(command):
            what = "there is no command" if command is None else f"{brief(command)} is no command"
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
        if not isinstance(outputs, str) or "\\" in outputs or not is_storable(outputs):
            self._tell("malformed_mlproject", at, f"{brief(outputs)} is no folder: write a relative path")
            return ""
        path = PurePosixPath(outputs)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            self._tell(
                "malformed_mlproject", at, f"{brief(outputs)} does not lie below the MLproject's folder"
            )
        return str(path)


def _names_in(entry: Mapping[str, object]) -> set[str]:
    """The names that stand in an entry point's parameters, or in what may be meant as these."""
    parts = [body for key, body in entry.items() if key == "parameters" or key not in _ENTRY_KEYS]
    return {str(name) for body in parts if isinstance(body, dict) for name in body}


def _together(own: list[str], shared: list[str]) -> list[str]:
    """An entry point's plugins, and of those that the whole project has the ones that it does not name itself."""
    named = {one.partition("==")[0].strip() for one in own}
    return [*own, *(one for one in shared if one.partition("==")[0].strip() not in named)]
