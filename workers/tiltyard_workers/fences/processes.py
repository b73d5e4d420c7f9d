"""The processes of this host, or of the namespace that this process is in, as they are now.

It needs the standard library alone, because the warden runs it.
"""

import contextlib
import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple


class Process(NamedTuple):
    """What is known of a process."""

    parent: int
    threads: int


def listed() -> list[str]:
    """The ids of the processes that /proc shows."""
    return [name for name in os.listdir("/proc") if name.isdigit()]


def processes() -> dict[int, Process]:
    """Every process here by its id; none where there is no /proc and the host has no process left to ask with."""
    if not os.path.isdir("/proc/self"):
        try:
            said = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=False)
        except OSError:  # a job may leave no process for it
            return {}
        lines = map(bytes.split, said.stdout.splitlines())
        return {int(process): Process(int(parent), 1) for process, parent in lines}
    found = {}
    for name in listed():
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
            found[int(name)] = Process(int(fields[1]), int(fields[17]))
    return found


def descendants(*roots: int, known: Mapping[int, Process] | None = None) -> list[int]:
    """Everything that descends from processes, nearest first."""
    children = defaultdict(list)
    for process, (parent, _) in (processes() if known is None else known).items():
        children[parent].append(process)
    found, begun = list(roots), set(roots)
    for process in found:
        found += [child for child in children.pop(process, ()) if child not in begun]
    return found[len(roots) :]
