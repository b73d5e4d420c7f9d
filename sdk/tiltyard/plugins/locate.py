"""Finds a plugin's one package among the files that came, and what they say of it as a whole.

A folder with `plugin.toml` beside the package, a wheel, a folder that is itself the package, and a folder of Dioptra's with
its `dioptra.toml` are all taken. Tests, documents and the like beside the package are not a second one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tiltyard.plugins.dioptra import NAME as DIOPTRA
from tiltyard.plugins.dioptra import Declared, read_dioptra
from tiltyard.plugins.manifest import NAME, Manifest, read_manifest, read_metadata, requirement_problems
from tiltyard.plugins.problems import problem
from tiltyard.wire.problems import ProblemItem

_BESIDE = frozenset(
    {
        "test",
        "tests",
        "doc",
        "docs",
        "example",
        "examples",
        "script",
        "scripts",
        "benchmarks",
        "build",
        "dist",
    }
)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A plugin's package, and what was said of it."""

    name: str
    files: Mapping[str, bytes]
    """By names relative to the package's folder."""
    folder: str
    """Where the files lay in what came, with a slash at its end; empty for the root."""
    manifest: Manifest
    declared: list[Declared] = field(default_factory=list)
    """Functions that a `dioptra.toml` lists."""
    dioptra: bytes | None = None
    """That file, where it tells of the package by the very name that it is stored under."""


def locate(
    files: Mapping[str, bytes], *, name: str | None, called: str | None
) -> Package | list[ProblemItem]:
    """Find the package that is to be named `name`; `called` is what the folder or archive itself is called."""
    files = _without_wrapping(files)
    manifest = _manifest(files)
    if isinstance(manifest, list):
        return manifest
    wanted = name or manifest.name
    dioptra = read_dioptra(files, wanted)
    if isinstance(dioptra, list):
        return dioptra
    if dioptra is not None:
        wanted, folder = dioptra.name, dioptra.folder
        manifest = manifest if NAME in files else Manifest(description=dioptra.description)
    else:
        found = _folder(files, wanted)
        if isinstance(found, list):
            return found
        folder = found
    own = {path.removeprefix(folder): content for path, content in files.items() if path.startswith(folder)}
    if not folder:
        own.pop(NAME, None)
    package = folder.rstrip("/").rpartition("/")[2] or wanted or called
    if package is None:
        return [problem("", "no_package", "the files are a package without a name: give it with the push")]
    return Package(
        name=package,
        files=own,
        folder=folder,
        manifest=manifest,
        declared=dioptra.functions if dioptra else [],
        dioptra=files[DIOPTRA] if dioptra and folder == f"{package}/" else None,
    )


def _without_wrapping(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The files, without the one folder that an archive of a folder wraps around them."""
    tops = {path.partition("/")[0] for path in files}
    if len(tops) == 1 and f"{(top := next(iter(tops)))}/{NAME}" in files:
        return {path.removeprefix(f"{top}/"): content for path, content in files.items()}
    return files


def _manifest(files: Mapping[str, bytes]) -> Manifest | list[ProblemItem]:
    if NAME in files:
        return read_manifest(files[NAME])
    for path, content in files.items():
        folder, _, rest = path.partition("/")
        if folder.endswith(".dist-info") and rest == "METADATA":
            found = read_metadata(content)
            return requirement_problems(path, found.requires) or found
    return Manifest()


def _folder(files: Mapping[str, bytes], wanted: str | None) -> str | list[ProblemItem]:
    """The package's folder, with its slash; empty where the root is the package."""
    sources = [path for path in files if path.endswith(".py")]
    if not sources:
        return [problem("", "no_package", "there is no Python file in it")]
    folders = {path.partition("/")[0] for path in sources if "/" in path}
    candidates = sorted(top for top in folders if _may_be_package(top))
    if "__init__.py" in files:
        return ""
    if not candidates and wanted not in folders and any("/" not in path for path in sources):
        return ""
    if wanted in folders:
        return f"{wanted}/"
    return f"{candidates[0]}/" if wanted is None and len(candidates) == 1 else _no_folder(wanted, candidates)


def _no_folder(wanted: str | None, candidates: list[str]) -> list[ProblemItem]:
    """Why no folder is the package."""
    listed = ", ".join(candidates[:10]) + (", …" if len(candidates) > 10 else "")
    if not candidates:
        return [problem("", "no_package", "there is no package in it: a folder with Python files")]
    if wanted is not None:
        detail = f"it is to be named {wanted[:120]}, and has no folder of that name but {listed}"
        return [problem("", "no_package", detail)]
    detail = f"it has several packages, {listed}: a plugin is one; say which as `name` in {NAME}"
    return [problem("", "two_packages", detail)]


def _may_be_package(folder: str) -> bool:
    return (
        folder not in _BESIDE and not folder.startswith(".") and not folder.endswith((".dist-info", ".data"))
    )
