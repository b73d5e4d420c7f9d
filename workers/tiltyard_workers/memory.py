"""Whether the kernel ended a process here because memory ran out: it counts those, and says so nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path

from tiltyard_workers import groups

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryWatch:
    """The counts as they were when this was made.

    Args:
        proc: the process file system.
        cgroups: where control groups are mounted.
    """

    def __init__(self, proc: Path = groups.PROC, cgroups: Path = groups.MOUNTED) -> None:
        self._places = list(_places(proc, cgroups))
        self._before = self._counts()

    def ran_out(self) -> bool:
        """Whether a process was ended for want of memory since; False where nobody counts."""
        return any(now > before for now, before in zip(self._counts(), self._before, strict=True))

    def _counts(self) -> list[int]:
        return [_count(path) for path in self._places]


def _places(proc: Path, cgroups: Path) -> Iterator[Path]:
    """The group's own count where it has one; the host's includes its neighbours'."""
    files = groups.files("memory", "memory.events", "memory.oom_control", proc, cgroups)
    own = [path for path in files if path.is_file()]
    yield from own
    if not own:
        yield proc / "vmstat"


def _count(path: Path) -> int:
    try:
        found = _COUNT.search(path.read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
