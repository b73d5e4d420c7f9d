"""What a run needs, found and checked before anything is started: all that is wrong is told at once."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.plugins.files import files_of
from tiltyard.plugins.locate import locate
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.entry_point import Draft
from tiltyard_orchestrator.domain.graph import Catalogue
from tiltyard_workers.runner.finding import find
from tiltyard_workers.running_locally.project import Project, Refused, read, unknown_entry_point

_NO_VERSION = "0"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What can be run."""

    project: Project
    command: str
    folders: list[Path]
    """Those that lead to the plugins, and last the project's own."""


def made_ready(
    path: Path, entry: str, *, values: Mapping[str, Json], plugins: Sequence[Path], temporary: Path
) -> Ready:
    """Check an entry point, the plugins that are given for it, and its values. Raises `Refused` with all that is wrong.

    Args:
        path: a folder with an MLproject, or a graph.
        entry: the entry point's name.
        values: what is given for its parameters.
        plugins: folders or archives.
        temporary: the folder that archives are laid out in.
    """
    folder, draft = read(path)
    folders, unreadable = _plugin_folders(plugins, temporary)
    folders.append(folder.resolve())
    problems = [one for problems in unreadable.values() for one in problems]
    if draft.names and entry not in draft.names:
        problems.append(unknown_entry_point(entry, draft.names))
    catalogues, found = _catalogues(draft, entry, folders, unreadable)
    problems += [*found, *draft.problems(catalogues)]
    entry_point = next((one for one in draft.project.entry_points if one.name == entry), None)
    if entry_point is None:
        raise Refused(problems)
    project = Project(folder=folder, entry_point=entry_point)
    try:
        command = project.command(values)
    except Refused as refused:
        problems += refused.problems
    if problems:
        raise Refused(problems)
    return Ready(project=project, command=command, folders=folders)


def _catalogues(
    draft: Draft, entry: str, folders: Sequence[Path], unreadable: Collection[str]
) -> tuple[dict[str, Catalogue], list[ProblemItem]]:
    """The tasks that the entry point's graph may use, and what is wrong with the plugins that hold them."""
    for use in draft.graphs:
        if use.entry_point == entry:
            with _importable(folders):
                found = find(use.entry.graph, unreadable)
            return {entry: found.catalogue}, found.problems
    return {}, []


def _plugin_folders(
    plugins: Sequence[Path], temporary: Path
) -> tuple[list[Path], dict[str, list[ProblemItem]]]:
    """The folders that lead to these plugins, folders or archives, and by name what is wrong with the rest."""
    folders: list[Path] = []
    unreadable: dict[str, list[ProblemItem]] = {}
    for path in plugins:
        try:
            folders.append(_folder_of(path, temporary))
        except Refused as refused:
            unreadable.setdefault(_called(path), []).extend(refused.problems)
    return folders, unreadable


def _called(path: Path) -> str:
    """The name of a plugin that cannot be read, as far as it can be known."""
    files = files_of(path)
    package = files if isinstance(files, list) else locate(files, name=None, called=path.resolve().name)
    return path.resolve().name if isinstance(package, list) else package.name


def _folder_of(path: Path, temporary: Path) -> Path:
    source = read_plugin(path, version=None)
    if isinstance(source, list) and any(one.code == "bad_version" for one in source):
        source = read_plugin(path, version=_NO_VERSION)  # it is asked for when it is pushed
    if not isinstance(source, PluginSource):
        raise Refused(source)
    if path.is_dir():
        package = (path / source.folder).resolve()
        if package.name == source.name:
            return package.parent
    # Packed, or a folder of another name: laid out as a worker does.
    folder = Path(mkdtemp(dir=temporary, prefix=f"{source.name}-"))
    for name, content in source.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = map(str, folders)
    try:
        yield
    finally:
        sys.path[:] = before
