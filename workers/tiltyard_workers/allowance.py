"""What a job may use of its worker's host, so that one that takes all it can get harms neither the worker nor other jobs."""

import errno
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from tiltyard_workers import groups

LEAST_PROCESSES = 4096
MOST_PROCESSES = 32_768
LEAST_SHM_BYTES = 64 << 20
LEAST_ROOM_BYTES = 256 << 20
"""Of free disk; a host with less is not fit to run a job."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The limits of one job."""

    processes: int
    """Processes and threads at a time."""
    scratch_bytes: int
    """Of disk, in its own folders; a file counts as 16 KiB at least."""
    shm_bytes: int
    """In /dev/shm, where the fence gives it one of its own."""

    @property
    def file_bytes(self) -> int:
        """How long one file may be, on the disk, in /dev/shm or in memory alone: the kernel has one limit for all."""
        return max(self.scratch_bytes, self.shm_bytes)


def allowance(
    folder: Path,
    *,
    given: int = 0,
    processes: int | None = None,
    scratch_bytes: int | None = None,
    shm_bytes: int | None = None,
) -> Allowance:
    """What a job may use: what is set, and else what leaves this host room for everything else.

    Args:
        folder: where the job's files are, or will be.
        given: bytes of disk that the files take that are laid out for the job there; what is set has to hold them, too.
        processes: what is set; as the others.
        scratch_bytes: the same.
        shm_bytes: the same.

    Raises:
        OSError: nothing is set for the disk, and it is nearly full.
    """
    return Allowance(
        processes=processes or _processes(),
        scratch_bytes=scratch_bytes or given + _room(folder) // 2,
        shm_bytes=shm_bytes or max(LEAST_SHM_BYTES, _memory() // 4),
    )


def _processes() -> int:
    """Where the kernel lets the worker and its job have a number together, half of it is the job's."""
    together = [groups.least("pids", "pids.max", "pids.max")]
    if os.geteuid() != 0:  # root is not held to it
        together.append(resource.getrlimit(resource.RLIMIT_NPROC)[0])
    # A process for each processor, in each of which a library starts a thread for each processor; and as many again.
    wanted = min(MOST_PROCESSES, max(LEAST_PROCESSES, 2 * (os.cpu_count() or 1) ** 2))
    return min([wanted, *(most // 2 for most in together if most is not None and most > 0)])


def _room(folder: Path) -> int:
    free = shutil.disk_usage(folder).free
    if free < LEAST_ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    return free


def _memory() -> int:
    """Bytes of memory that this host, or the container around this worker, has."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = groups.least("memory", "memory.max", "memory.limit_in_bytes")
    return whole if group is None else min(whole, group)
