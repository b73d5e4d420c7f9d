"""Figures as `.png` for the eye and `.svg` for print."""

from pathlib import Path
from typing import Any


class Figures:
    """The artifact type `figure`: a matplotlib figure, or what has one (`.figure`)."""

    def save(self, value: Any, folder: Path, name: str, dpi: int = 150) -> list[Path]:
        """Write `name.png` and `name.svg`."""
        figure: Any = value if hasattr(value, "savefig") else getattr(value, "figure", None)
        if not hasattr(figure, "savefig"):
            raise TypeError(f"{name!r} is no figure: a {type(value).__name__} has no `savefig`")
        paths = [folder / f"{name}.png", folder / f"{name}.svg"]
        for path in paths:
            figure.savefig(path, dpi=dpi, bbox_inches="tight")
        return paths

    def load(self, path: Path) -> Path:
        """Return the path: a picture is looked at, and is no figure any more."""
        return path
