"""Finds the tasks and artifact types that a graph may use, in the plugins that the import path leads to.

They are read from their source, as the gateway reads them; a plugin is imported when one of its tasks is to run.
"""

import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tiltyard.artifact_types.reading import artifact_types_of
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.plugins import Task
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph import Catalogue, Graph
from tiltyard_orchestrator.domain.graph.values import BUILT_IN

_NO_VERSION = "0"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the plugins of a graph hold."""

    tasks: list[Task] = field(default_factory=list)
    artifact_types: dict[str, dict[str, str]] = field(default_factory=dict)
    """By plugin and name: `package.module:Class`."""

    @property
    def catalogue(self) -> Catalogue:
        """The tasks, for checking a graph."""
        return Catalogue(self.tasks, self.artifact_types, definitions_suffice=True)

    def place_of_type(self, name: str) -> str | None:
        """Where the class of an artifact type is; None where it is one of the SDK's."""
        plugin, _, short = name.rpartition(".")
        for owner, types in self.artifact_types.items():
            if short in types and plugin.partition(".")[0] in ("", owner):
                return types[short]
        return None


def find(graph: Graph) -> Found | list[ProblemItem]:
    """Return what the plugins of a graph hold, or which of them are not there or cannot be read."""
    found = Found()
    problems: list[ProblemItem] = []
    versions = _pinned()
    for pin in graph.needs:
        name = pin.partition("==")[0]
        source = _read(name, versions.get(name, _NO_VERSION))
        if isinstance(source, PluginSource):
            found.tasks.extend(source.tasks)
            found.artifact_types[name] = artifact_types_of(source.files)
        elif name != BUILT_IN or any(problem.code != "unknown_plugin" for problem in source):
            problems += source
    return problems or found


def _pinned() -> dict[str, str]:
    """The versions that the job was given."""
    pins = json.loads(os.environ.get("TILTYARD_PLUGINS") or "[]")
    return {pin["name"]: pin["version"] for pin in pins}


def _read(name: str, version: str) -> PluginSource | Sequence[ProblemItem]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        detail = f"there is no plugin {name!r} here"
        return [ProblemItem(pointer="/plugins", code="unknown_plugin", detail=detail)]
    package = Path(folders[0])
    described = any((package.parent / known).is_file() for known in ("plugin.toml", "dioptra.toml"))
    return read_plugin(
        package.parent if described else package, name=name, version=version, built_in=name == BUILT_IN
    )
