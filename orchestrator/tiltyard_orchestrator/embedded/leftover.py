"""What an earlier PostgreSQL left in its data directory: a server that still runs, or a lock file of one that does not.

The caller holds the testbed's data directory, so a server on it is nobody's any more. The lock file is PostgreSQL's guard
against two servers on one directory; it names a process, and after a crash or a reboot that may be anybody's. It is
removed only when no PostgreSQL process works in the directory.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

STOPS = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0))
"""Ask, insist, end: PostgreSQL takes these for its fast and its immediate stop."""


def clear_leftover(folder: Path) -> bool:
    """End a server that was left on a data directory, and remove its lock file.

    Returns:
        Whether the directory is free now.
    """
    left = list(_working_in(folder))
    for number, seconds in STOPS:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(left, timeout=seconds)
        left = list(_working_in(folder))
        if not left:
            (folder / "postmaster.pid").unlink(missing_ok=True)
            return True
    return False


def _working_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # One whose directory was removed and made anew still writes to it by its name.
            where = process.cwd().removesuffix(" (deleted)")
            if process.name().startswith("postgres") and Path(where) == folder.resolve():
                yield process
