"""The plugins that a run finds, and the check of a graph against them, before anything is started."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.archives import EntryPoint
from tiltyard_orchestrator.domain.graph import check_graph, read_graph
from tiltyard_orchestrator.domain.graph_entry import in_file
from tiltyard_workers.runner.finding import Found, find
from tiltyard_workers.running_locally.project import Refused

_NO_VERSION = "0"


def plugin_folders(plugins: Sequence[Path], temporary: Path) -> list[Path]:
    """Return the folders that lead to these plugins, folders or archives. Raises `Refused`."""
    return [_folder_of(path, temporary) for path in plugins]


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


def check(entry_point: EntryPoint, folders: Sequence[Path]) -> None:
    """Check a graph against the plugins that these folders lead to. Raises `Refused`."""
    if entry_point.graph is None:
        return
    graph = read_graph(entry_point.graph.text)
    if isinstance(graph, list):
        raise Refused(in_file(graph, entry_point.graph.path))
    with _importable(folders):
        found = find(graph)
    if not isinstance(found, Found):
        raise Refused(found)
    problems = check_graph(graph, found.catalogue, entry_point.parameters)
    if problems:
        raise Refused(in_file(problems, entry_point.graph.path))


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = map(str, folders)
    try:
        yield
    finally:
        sys.path[:] = before
