"""Ends the parts of a testbed when the process that started them is gone, however it went.

It is run as a file, by an isolated interpreter. Each line on its standard input names the process group of a part that
started (`+123`) or ended (`-123`); the input's end says that the starter is gone. What is left then is asked to end, and
after a few seconds ended.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5


def alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(groups: "set[int]", number: int) -> None:
    """Send a signal to every group."""
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, number)


def main() -> None:
    """Watch until the starter is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    # A supervisor that is killed has its job ended by the job's own warden; PostgreSQL takes SIGINT for `stop now`.
    end(groups, signal.SIGINT)
    end(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.1)
    end(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
