"""What is installed here, read without importing any of it."""

import os
import pkgutil
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import tiltyard

SITE = Path(tiltyard.__file__).with_name("jobsite")
"""What every Python of a job finds first, after its plugins."""
PACKAGES = (
    "tiltyard", "numpy", "scikit-learn", "adversarial-robustness-toolbox", "mlflow", "prefect", "torch", "tensorflow",
)  # fmt: skip


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The installed versions of Python and of packages; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def packages() -> dict[str, str]:
    """The version of every installed distribution; of two of one name, the one that Python finds first."""
    found: dict[str, str] = {}
    for one in distributions():
        name, number = one.metadata["Name"], one.version
        if name and number:
            found.setdefault(name, number)
    return found


def modules() -> list[str]:
    """The top-level names outside the standard library that a job can import here."""
    places = _places()
    found = {one.name for one in pkgutil.iter_modules(places)}
    found |= {name for place in places for name in _namespaces(Path(place))}
    return sorted(found - sys.stdlib_module_names - {"sitecustomize"})


def _places() -> list[str]:
    """Where a job's Python looks: not where this process alone does, by how it was started."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = {os.path.realpath(path) for path in ("", str(Path(sys.argv[0]).parent), *given)}
    return [str(SITE), *(path for path in sys.path if os.path.realpath(path) not in own)]


def _namespaces(place: Path) -> Iterator[str]:
    """Folders that are packages without saying so, such as `google`."""
    with suppress(OSError):
        for folder in place.iterdir():
            if folder.name.isidentifier() and folder.is_dir() and not folder.name.startswith("__"):
                yield folder.name
