"""A process that must not outlive its parent."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
LINUX = sys.platform.startswith("linux")
LOOK_SECONDS = 1.0


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Have this process get a signal when its parent ends, however that ends: by the kernel, or where it cannot by us.

    Args:
        number: the signal.
    """
    parent = os.getppid()
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, name="parent", daemon=True).start()
