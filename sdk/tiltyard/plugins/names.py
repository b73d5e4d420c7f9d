"""Which names a plugin may have: those that hide nothing that jobs need."""

import keyword
import re
import sys
from collections.abc import Collection

from tiltyard.plugins.problems import problem
from tiltyard.wire.plugins import PLUGIN_NAME, PLUGIN_VERSION
from tiltyard.wire.problems import ProblemItem

BUILT_IN = "tiltyard_plugins"
"""The collection that comes with every testbed."""

_NAME = re.compile(PLUGIN_NAME)
_VERSION = re.compile(PLUGIN_VERSION)
# Python imports the first three by itself when it starts, wherever it finds them first.
_RESERVED = frozenset({"sitecustomize", "usercustomize", "__main__", "dioptra"})


def name_problems(name: str, *, libraries: Collection[str] = (), built_in: bool = False) -> list[ProblemItem]:
    """What is wrong with a plugin's name, which is that of its package."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        detail = f"{name[:120]!r} is no name for a plugin: it is imported by it, so it is lower-case letters, digits and `_`"
        better = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        would_do = f"; {better} would do" if _NAME.fullmatch(better) and better != name else ""
        return [problem("", "bad_name", detail + would_do)]
    ours = name.startswith("tiltyard") and not (built_in and name == BUILT_IN)
    if ours or name in _RESERVED:
        detail = f"the name {name} is the testbed's own: a plugin of this name would hide it from every job"
        return [problem("", "shadows_library", detail)]
    if name in sys.stdlib_module_names:
        detail = f"the name {name} is a module of Python's own library, which this plugin would hide: choose another"
        return [problem("", "shadows_library", detail)]
    if name in {library.lower() for library in libraries}:
        detail = (
            f"the name {name} is that of a library, which this plugin would hide from jobs: choose another"
        )
        return [problem("", "shadows_library", detail)]
    return []


def version_problems(version: str | None, *, hint: str = "") -> list[ProblemItem]:
    """What is wrong with a version's name; `hint` stands behind it where there is none."""
    if version is None:
        detail = 'it has no version: write version = "1.0" in plugin.toml, or give one with the push'
        return [problem("", "bad_version", detail + hint)]
    if not _VERSION.fullmatch(version):
        detail = f"{version[:80]!r} is no version: write letters, digits and `.+_-`, at most 64, such as 1.0 or 2026.1"
        return [problem("", "bad_version", detail)]
    return []
