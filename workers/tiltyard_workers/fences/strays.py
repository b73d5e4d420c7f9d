"""What a job left behind that its warden did not end: where there is no namespace, a job can kill its warden."""

import os
import signal
import time
from contextlib import suppress

from tiltyard_workers.fences.processes import descendants
from tiltyard_workers.fences.warden import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl

SECONDS = 10.0


def adopt_strays() -> None:
    """Have the orphans of this process's descendants become its children, so that it can end them."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_strays() -> None:
    """End everything that descends from this process. For a process whose every descendant is a job's."""
    deadline = time.monotonic() + SECONDS
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        for process in left:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def close_to_jobs() -> None:
    """Close this process's environment and memory to others of the same user, on Linux; its children inherit that."""
    prctl(PR_SET_DUMPABLE, 0)
