"""What a job's code says and leaves, made fit to be told: no part of it is believed to be what it should be."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST_NAME = 250


def checked_metric(name: str, value: object, step: object) -> dict[str, Any] | None:
    """What a metric's event holds; None when it is no number at no step."""
    checked = number(value)
    if checked is None or not (step is None or _is_int64(step)):
        return None
    return {"name": text(name), "value": checked, "step": step}


def number(value: object) -> float | int | str | None:
    """A number as JSON can hold it: what is not finite as its name, None for what is no number or too large."""
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    try:
        return value if isinstance(value, float) or _is_int64(value) else float(value)
    except OverflowError:  # JSON's integers have no end
        return None


def text(value: str, longest: int = LONGEST_NAME) -> str:
    """Text that a database takes: no NUL, no half of a surrogate pair, and not for ever."""
    return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()[:longest]


def regular_files(folder: Path) -> Iterator[str]:
    """The regular files below a folder, by their path in it; links and everything else are left out."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            with suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path.relative_to(folder).as_posix()


def _is_int64(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
