"""The control groups that this process is in, as far as it can see them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
MOUNTED = Path("/sys/fs/cgroup")


def files(
    controller: str, second: str, first: str, proc: Path = PROC, mounted: Path = MOUNTED
) -> Iterator[Path]:
    """Where this process's own groups keep a controller's value.

    Args:
        controller: such as `memory`.
        second: what the file is called in the second version of control groups.
        first: what it is called in the first.
        proc: the process file system.
        mounted: where control groups are mounted.
    """
    try:
        groups = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        below = group.lstrip("/")
        if not controllers:
            yield mounted / below / second
        elif controller in controllers.split(","):
            yield mounted / controller / below / first


def least(controller: str, second: str, first: str, proc: Path = PROC, mounted: Path = MOUNTED) -> int | None:
    """The lowest limit that the groups of this process, or those around them, set; None where none does."""
    found = []
    for own in files(controller, second, first, proc, mounted):
        for folder in own.parents:
            if not folder.is_relative_to(mounted):
                break
            with suppress(OSError, ValueError):  # `max` is no limit
                found.append(int((folder / own.name).read_text()))
    return min(found, default=None)
