"""Tries a plugin on its author's machine: laid out as a worker lays it out, loaded by the same check, tested by its tests.

What is imported is a copy in a folder of its own, so that nothing beside the package is found that a job would not find;
in what is printed its files have the names of the author's own.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tiltyard.plugins.manifest import NAME
from tiltyard.plugins.reading import PluginSource

PASSED, FAILED, NONE, NO_PYTEST = "passed", "failed", "none", "no pytest"
_JOBSITE = Path(__file__).parents[1] / "jobsite"
"""What a job finds after its plugins."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A plugin laid out to be imported."""

    name: str
    copy: Path
    """The folder that holds the copy of the package."""
    root: Path
    """Where it was read."""
    original: Path | None
    """The package's own folder, where it is one."""


@contextmanager
def laid_out(source: PluginSource, root: Path) -> Iterator[Trial]:
    """Lay a plugin out as a worker does, for as long as it is tried."""
    root = _unwrapped(root)
    original = (root / source.folder).resolve() if root.is_dir() else None
    with TemporaryDirectory(prefix="tiltyard-plugin-") as folder:
        for path, content in source.files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Trial(name=source.name, copy=Path(folder), root=root, original=original)


def _unwrapped(root: Path) -> Path:
    """The plugin's own folder, also where the folder that holds nothing else was given."""
    inner = [path.parent for path in root.glob(f"*/{NAME}")] if root.is_dir() else []
    return inner[0] if len(inner) == 1 and not (root / NAME).exists() else root


def load(trial: Trial, tell: Callable[[str], None]) -> bool:
    """Import every module in a process of its own, telling what it says line by line."""
    command = [sys.executable, "-m", "tiltyard.plugins.check", trial.name]
    copied = str(trial.copy / trial.name)
    with subprocess.Popen(
        command,
        cwd=trial.copy,
        env=_environment(trial.copy),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\r\n")
            tell(text.replace(copied, str(trial.original)) if trial.original else text)
    return process.returncode == 0


def run_tests(trial: Trial, *, quiet: bool = False) -> str:
    """Run the tests beside the package; `quiet` keeps them off standard output."""
    if not trial.root.is_dir() or not any(trial.root.rglob("test_*.py")):
        return NONE
    if find_spec("pytest") is None:
        return NO_PYTEST
    # By their own paths where the folder's name is the package's, so that a failure names the author's file.
    own = trial.original is not None and trial.original.name == trial.name
    beside = trial.original.parent if trial.original is not None and own else trial.copy
    sys.stdout.flush()
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=trial.root,
        env=_environment(beside),
        stdout=sys.stderr if quiet else None,
        check=False,
    ).returncode
    return {0: PASSED, 5: NONE}.get(code, FAILED)


def _environment(first: Path) -> dict[str, str]:
    """This process's environment with a folder first on Python's path, as in a job."""
    path = [str(first), *([str(_JOBSITE)] if _JOBSITE.is_dir() else []), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
