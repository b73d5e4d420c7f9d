"""Files and folders that a step has written: they are copied, as they are."""

import shutil
from pathlib import Path
from typing import Any


class Files:
    """The artifact type `path`: a file, or a folder with all the regular files in it. Links are not followed."""

    def save(self, value: Any, folder: Path, name: str) -> list[Path]:
        """Copy a file as `name` with its suffix, a folder as the folder `name`."""
        source = Path(value)
        if source.is_file():
            target = folder / f"{name}{source.suffix}"
            if source.resolve() != target.resolve():
                shutil.copyfile(source, target)
            return [target]
        if not source.is_dir():
            raise FileNotFoundError(f"{name!r} is the path {str(source)!r}, where no file is")
        copied = []
        for path in sorted(source.rglob("*")):
            if path.is_file() and not path.is_symlink():
                target = folder / name / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.resolve() != target.resolve():
                    shutil.copyfile(path, target)
                copied.append(target)
        return copied

    def load(self, path: Path) -> Path:
        """Return the path."""
        return path
