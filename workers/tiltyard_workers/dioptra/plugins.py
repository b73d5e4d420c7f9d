"""Makes a plugin to push of each that is described: its files as they are, in a folder named after it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tiltyard.artifact_types.reading import artifact_types_of
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import listed, pointer
from tiltyard_workers.dioptra.description import NAME, Description, DioptraPlugin
from tiltyard_workers.dioptra.toml import manifest, own_description


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A plugin as it can be pushed."""

    described: DioptraPlugin
    source: PluginSource
    files: dict[str, bytes]
    """Of its folder."""
    artifact_types: dict[str, str]


def convert_plugins(folder: Path, description: Description) -> list[Converted] | list[ProblemItem]:
    """Return the plugins of a folder, or every problem with them."""
    converted: list[Converted] = []
    problems: list[ProblemItem] = []
    names: set[str] = set()
    for one in description.plugins:
        if one.name in names:
            problems.append(_problem(one, "two_plugins", f"there is a second plugin {one.name!r}"))
        names.add(one.name)
        found = _convert(folder, one, description.types)
        if isinstance(found, Converted):
            converted.append(found)
        else:
            problems += found
    return problems or converted


def _convert(folder: Path, plugin: DioptraPlugin, types: dict[str, Any]) -> Converted | list[ProblemItem]:
    package = _package(folder / plugin.path)
    if not package:
        return [_problem(plugin, "no_package", f"there is no Python file in {plugin.path}")]
    files = {f"{plugin.name}/{path}": content for path, content in package.items()}
    own = own_description(plugin, types)
    version = _version({**files, NAME: own})
    files = {"plugin.toml": manifest(plugin, version), NAME: own, **files}
    source = read_plugin(files, name=plugin.name)
    if not isinstance(source, PluginSource):
        return [_below(plugin, one) for one in source]
    artifact_types = artifact_types_of(source.files)
    problems = _missing(plugin, source, artifact_types)
    return problems or Converted(described=plugin, source=source, files=files, artifact_types=artifact_types)


def _package(folder: Path) -> dict[str, bytes]:
    """The files of a package, those that Python makes and those that are hidden left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not hidden and path.suffix != ".pyc":
            found[str(relative)] = path.read_bytes()
    return found if any(name.endswith(".py") for name in found) else {}


def _version(files: dict[str, bytes]) -> str:
    """A version that is the same for the same files: Dioptra's plugins have none of their own."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"1+{digest.hexdigest()[:8]}"


def _missing(
    plugin: DioptraPlugin, source: PluginSource, artifact_types: dict[str, str]
) -> list[ProblemItem]:
    """What is described, and stands in no file."""
    paths = {task.path for task in source.tasks}
    problems = []
    for one in plugin.functions:
        module = ".".join(filter(None, (plugin.name, one.module)))
        if f"{plugin.name}/{one.filename}" not in source.files:
            detail = f"there is no file {one.filename!r} in the plugin {plugin.name!r}"
            problems.append(_problem(plugin, "no_file", detail))
        elif f"{module}.{one.name}" not in paths:
            inside = [task.function for task in source.tasks if task.module == module]
            has = f": it has {listed(inside)}" if inside else ""
            detail = f"there is no function {one.name!r} in {plugin.path / one.filename}{has}"
            problems.append(_problem(plugin, "no_function", detail))
    for one in plugin.artifacts:
        if one.name not in artifact_types:
            detail = (
                f"there is no class {one.name!r} in {plugin.path / one.filename}, or it is no artifact task"
            )
            problems.append(_problem(plugin, "no_artifact_task", detail))
    return problems


def _below(plugin: DioptraPlugin, problem: ProblemItem) -> ProblemItem:
    """A problem of a plugin's own, with the place where its author finds it."""
    inside = problem.pointer.removeprefix(f"/{plugin.name}")
    return problem.model_copy(update={"pointer": f"/{plugin.path}{inside}"})


def _problem(plugin: DioptraPlugin, code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer(NAME, *plugin.at), code=code, detail=detail)
