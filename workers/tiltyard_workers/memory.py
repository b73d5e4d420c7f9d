"""Whether the kernel ended a process here because memory ran out: it counts those, and says so nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryWatch:
    """The counts as they were when this was made.

    Args:
        proc: the process file system.
        cgroups: where control groups are mounted.
    """

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        self._places = list(_places(proc, cgroups))
        self._before = self._counts()

    def ran_out(self) -> bool:
        """Whether a process was ended for want of memory since; False where nobody counts."""
        return any(now > before for now, before in zip(self._counts(), self._before, strict=True))

    def _counts(self) -> list[int]:
        return [_count(path) for path in self._places]


def _places(proc: Path, cgroups: Path) -> Iterator[Path]:
    """The group's own count where it has one; the host's includes its neighbours'."""
    own = [path for path in _group_files(proc, cgroups) if path.is_file()]
    yield from own
    if not own:
        yield proc / "vmstat"


def _group_files(proc: Path, cgroups: Path) -> Iterator[Path]:
    try:
        groups = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, kinds, group = line.split(":", 2)
        below = group.lstrip("/")
        if not kinds:
            yield cgroups / below / "memory.events"
        elif "memory" in kinds.split(","):
            yield cgroups / "memory" / below / "memory.oom_control"


def _count(path: Path) -> int:
    try:
        found = _COUNT.search(path.read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
