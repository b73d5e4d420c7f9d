"""`python -m tiltyard.plugins.check NAME`: imports every module of a plugin, and says how each went.

It is what a push runs as a job before a version may be used, and what `tiltyard plugin test` runs. The modules are imported
in a process of their own, so that one that ends it is told by its name and the rest are still tried. A library that is not
there makes a module unavailable in this image, and the plugin none the worse, unless no module with a task loads at all.

Exit codes: 0 it may be used, 1 it may not, 2 there is no such package.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tiltyard.plugins.loading import BEGUN, FAILED, LOADED, MISSING, PLAN, REPORT, say
from tiltyard.plugins.reading import PluginSource, read_plugin
from tiltyard.plugins.tree import module_paths

LIMIT = 50.0
"""Seconds for all modules together: a push gives the job a minute."""

Entry = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the plugin that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="tiltyard.plugins.check", description="Import every module of a plugin."
    )
    parser.add_argument("name", help="the plugin's package, on Python's path")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for all modules together")
    given = parser.parse_args(arguments)
    spec = find_spec(given.name) if given.name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        say(f"there is no package {given.name} on Python's path", to=2)
        return 2
    entries = _entries(given.name, spec)
    hows = _load_all(entries, time.monotonic() + given.limit, given.limit)
    return _told(given.name, entries, hows)


def _entries(name: str, spec: ModuleSpec) -> list[Entry]:
    """The modules of a package, and what each promises."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in map(Path, spec.submodule_search_locations or ())
        for path in folder.rglob("*.py")
        if path.is_file()
    }
    source = read_plugin(
        {f"{name}/{path}": content for path, content in files.items()}, name=name, version="0", built_in=True
    )
    # What is wrong with the source was told when it was read; here it shows when it is imported.
    tasks = source.tasks if isinstance(source, PluginSource) else []
    conditional = source.conditional if isinstance(source, PluginSource) else frozenset()
    return [
        {
            "module": module,
            "tasks": [task.function for task in tasks if task.module == module],
            "conditional": [task.function for task in tasks if task.path in conditional],
        }
        for module in sorted(module_paths(name, sorted(files)))
        if not module.endswith(".__main__")
    ]


def _load_all(entries: list[Entry], deadline: float, limit: float) -> list[str]:
    """How each module went. A process that ends in the middle of one is followed by another for the rest."""
    hows: list[str] = []
    own = [entry["module"] for entry in entries]
    while len(hows) < len(entries):
        left = entries[len(hows) :]
        with TemporaryDirectory() as folder:
            code = _run({"modules": left, "own": own}, Path(folder), deadline)
            ended = _ended(Path(folder))
        hows += ended
        if len(ended) == len(left):
            break
        name = left[len(ended)]["module"]
        hows.append(FAILED)
        if code is None:
            say(f"{name}: it was not imported after {limit:g} seconds")
            return [*hows, *[FAILED] * (len(entries) - len(hows))]
        how = f"code {code}" if code >= 0 else f"signal {-code}"
        say(f"{name}: it exits when it is imported: the process ended with {how}")
    return hows


def _run(plan: dict[str, Any], folder: Path, deadline: float) -> int | None:
    """Load modules in a process of their own; its exit code, or None where time ran out."""
    (folder / PLAN).write_text(json.dumps(plan))
    command = [sys.executable, "-m", "tiltyard.plugins.loading", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            return None


def _ended(folder: Path) -> list[str]:
    """How the modules went that the process came to an end with, in their order."""
    try:
        lines = (folder / REPORT).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [how for _, how in map(json.loads, lines) if how != BEGUN]


def _told(name: str, entries: list[Entry], hows: list[str]) -> int:
    """Say how it went as a whole; the exit code."""
    loaded, missing, failed = (hows.count(how) for how in (LOADED, MISSING, FAILED))
    parts = [f"{loaded} of {len(hows)} modules loaded"]
    parts += [f"{missing} not available in this image"] if missing else []
    parts += [f"{failed} failed"] if failed else []
    say(f"{name}: {', '.join(parts)}")
    if failed:
        return 1
    # An empty `__init__.py` loads everywhere, and says nothing.
    with_tasks = [how for entry, how in zip(entries, hows, strict=True) if entry["tasks"]]
    if LOADED not in (with_tasks or hows):
        say(
            f"{name}: nothing of it can be used in this image: check it on a queue whose image has what is missing"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
