"""Finds the tasks and artifact types that a graph may use, in the plugins that the import path leads to.

They are read from their source, as the gateway reads them; a plugin is imported when one of its tasks is to run.
"""

import importlib.util
import json
import os
from collections.abc import Collection, Sequence
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
    absent: dict[str, ProblemItem | None] = field(default_factory=dict)
    """The plugins that are not there, or, with None, that cannot be read."""
    problems: list[ProblemItem] = field(default_factory=list)
    """What is wrong with those that cannot be read."""

    @property
    def catalogue(self) -> Catalogue:
        """The tasks, for checking a graph."""
        return Catalogue(self.tasks, self.artifact_types, absent=self.absent, definitions_suffice=True)

    def place_of_type(self, name: str) -> str | None:
        """Where the class of an artifact type is; None where it is one of the SDK's."""
        plugin, _, short = name.rpartition(".")
        for owner, types in self.artifact_types.items():
            if short in types and plugin.partition(".")[0] in ("", owner):
                return types[short]
        return None


def find(graph: Graph, unreadable: Collection[str] = ()) -> Found:
    """Return what the plugins of a graph hold, and which of them are not there or cannot be read.

    Args:
        graph: in form or not.
        unreadable: plugins of which was told why they cannot be had.
    """
    found = Found(absent=dict.fromkeys(unreadable))
    versions = _pinned()
    for pin in graph.needs:
        name = pin.partition("==")[0]
        if name in found.absent:
            continue
        source = _read(name, versions.get(name, _NO_VERSION))
        if isinstance(source, PluginSource):
            found.tasks.extend(source.tasks)
            found.artifact_types[name] = artifact_types_of(source.files)
        elif [one.code for one in source] == ["unknown_plugin"]:
            if name != BUILT_IN:
                found.absent[name] = source[0]
        else:
            found.absent[name] = None
            found.problems.extend(source)
    return found


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
        detail = f"there is no plugin {name!r} here: give its folder or archive with --plugin"
        return [ProblemItem(pointer="/plugins", code="unknown_plugin", detail=detail)]
    package = Path(folders[0])
    described = any((package.parent / known).is_file() for known in ("plugin.toml", "dioptra.toml"))
    return read_plugin(
        package.parent if described else package, name=name, version=version, built_in=name == BUILT_IN
    )
