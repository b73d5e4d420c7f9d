"""Dioptra 1.1's artifact tasks as artifact types: classes with the static methods `serialize` and `deserialize`.

Such a task writes to the folder that it is given and also looks there for what the steps wrote, so that folder is the
job's own; what it made is moved to where artifacts are kept, and what was there before is copied.
"""

import shutil
from pathlib import Path
from typing import Any

from tiltyard.artifact_types.files import Files


class ArtifactTask:
    """An artifact type around a class of Dioptra's.

    Args:
        task: the class.
    """

    def __init__(self, task: type) -> None:
        self._task: Any = task

    def save(self, value: Any, folder: Path, name: str, **options: Any) -> list[Path]:
        """Have the task write its file or folder, and put that below `folder`."""
        here = Path.cwd()
        there = {path.name for path in here.iterdir()}
        made = here / self._task.serialize(here, name, value, **options)
        if not made.exists():
            raise FileNotFoundError(f"{self._task.__name__} wrote no file for {name!r}")
        if made.is_relative_to(folder.absolute()):
            return [made] if made.is_file() else sorted(path for path in made.rglob("*") if path.is_file())
        if made.is_dir() or made.relative_to(here).parts[0] in there:
            return Files().save(made, folder, made.stem if made.is_file() else made.name)
        target = folder / made.name
        shutil.move(made, target)
        return [target]

    def load(self, path: Path) -> Any:
        """Have the task read a file."""
        return self._task.deserialize(path.absolute().parent, path.name)
