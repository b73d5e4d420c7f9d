"""Reads a plugin: its name, version and files, and the tasks in it, all from what is written there.

No module of the plugin is imported, here or by whoever calls this: what a plugin does when it is loaded is seen in a sandbox.
Everything that is wrong is told at once, each with its file and place.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tiltyard.plugins.dioptra import NAME as DIOPTRA
from tiltyard.plugins.files import files_of
from tiltyard.plugins.limits import PROBLEMS
from tiltyard.plugins.locate import Package, locate
from tiltyard.plugins.manifest import NAME, written
from tiltyard.plugins.mistaken import other_than_a_plugin
from tiltyard.plugins.names import name_problems, version_problems
from tiltyard.plugins.packing import canonical
from tiltyard.plugins.problems import problem
from tiltyard.plugins.tasks import Tasks
from tiltyard.plugins.tree import read_modules
from tiltyard.plugins.work import TooMuch
from tiltyard.wire.plugins import Task
from tiltyard.wire.problems import ProblemItem


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """A plugin as it was read."""

    name: str
    version: str
    description: str
    requires: Sequence[str]
    files: Mapping[str, bytes]
    """What is stored: `plugin.toml` in its one form, and the package in a folder of its name."""
    tasks: list[Task]
    """In the order of their modules, and in these as they are written."""
    conditional: frozenset[str] = field(default_factory=frozenset)
    """Paths of the tasks that stand under a condition, so that a module may load without them."""
    folder: str = ""
    """Where the package lay in what was read, with a slash at its end; empty for the root."""

    def packed(self) -> bytes:
        """The files in the one form in which they are stored."""
        return canonical(self.files)


def read_plugin(
    root: Path | Mapping[str, bytes],
    *,
    name: str | None = None,
    version: str | None = None,
    libraries: Collection[str] = (),
    built_in: bool = False,
) -> PluginSource | list[ProblemItem]:
    """Read a plugin from a folder, an archive, a wheel, or files by their names.

    Args:
        root: where it is.
        name: the name of its package, where the files do not say it, or hold several.
        version: its version; goes before what the files say.
        libraries: top-level modules that it may not be named like.
        built_in: whether it may be named like the collection that comes with the testbed.
    """
    files = files_of(root)
    if isinstance(files, list):
        return files
    package = locate(files, name=name, called=root.resolve().name if isinstance(root, Path) else None)
    if isinstance(package, list):
        return package
    version = version if version is not None else package.manifest.version
    problems = [
        *name_problems(package.name, libraries=libraries, built_in=built_in),
        *version_problems(version, hint=other_than_a_plugin(root)),
    ]
    modules, unreadable = read_modules(package)
    try:
        tasks = Tasks(package, version or "", modules)
    except TooMuch:
        return [*unreadable[:PROBLEMS], problem("", "too_large", _TOO_MUCH)]
    problems += unreadable
    problems += tasks.problems
    if not problems and not tasks.found and not tasks.artifact_types:
        problems.append(problem("", "no_tasks", _NO_TASKS))
    if problems:
        return sorted(problems, key=lambda item: (item.pointer, item.line or 0))[:PROBLEMS]
    return PluginSource(
        name=package.name,
        version=version or "",
        description=package.manifest.description,
        requires=package.manifest.requires,
        files=_stored(package, version or ""),
        tasks=tasks.found,
        conditional=frozenset(tasks.conditional),
        folder=package.folder,
    )


_TOO_MUCH = (
    "its names and types lead to too many others for it to be read in one go: say less in each, or divide it"
)
_NO_TASKS = (
    "it has no tasks: write `from tiltyard import task`, and @task above a function at the top of a module"
)


def _stored(package: Package, version: str) -> dict[str, bytes]:
    manifest = package.manifest
    described = {} if package.dioptra is None else {DIOPTRA: package.dioptra}
    return described | {
        NAME: written(package.name, version, manifest.description, manifest.requires),
        **{
            f"{package.name}/{path}": content
            for path, content in package.files.items()
            if not path.endswith((".pyc", ".pyo")) and "__pycache__" not in path.split("/")
        },
    }
