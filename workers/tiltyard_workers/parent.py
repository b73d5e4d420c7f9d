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


def end_with_parent() -> None:
    """Have this process end when its parent does, however that ends: by the kernel's hand, or where it has none by ours."""
    parent = os.getppid()
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
