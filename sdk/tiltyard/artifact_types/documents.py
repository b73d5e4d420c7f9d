"""Plain data as `.json`, text as `.txt`."""

import json
from pathlib import Path
from typing import Any


class Documents:
    """The artifact type `json`: numbers, text, lists and mappings, numpy's among them."""

    def save(self, value: Any, folder: Path, name: str, indent: int = 2) -> list[Path]:
        """Write `name.json`."""
        path = folder / f"{name}.json"
        path.write_text(
            json.dumps(value, indent=indent, default=_plain, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return [path]

    def load(self, path: Path) -> Any:
        """Return the data."""
        return json.loads(path.read_text(encoding="utf-8"))


class Texts:
    """The artifact type `text`."""

    def save(self, value: Any, folder: Path, name: str, suffix: str = "txt") -> list[Path]:
        """Write `name.txt`, or with another suffix."""
        path = folder / f"{name}.{suffix.removeprefix('.')}"
        path.write_text(str(value), encoding="utf-8")
        return [path]

    def load(self, path: Path) -> str:
        """Return the text."""
        return path.read_text(encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
