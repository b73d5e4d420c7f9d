"""The first process inside a fence: it starts the job, waits for it, and takes everything down behind it.

It is run as a file, by an isolated interpreter, with the standard library alone; as the first process of a PID namespace
where there is one, else as a child subreaper. It lives by a pipe: a `T` on it asks the job to end, and its end, which is
also what a supervisor leaves that was killed, ends everything at once. How the job ended goes out on a second pipe.

    python -I -S warden.py SPECIFICATION-AS-JSON
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = (
    1,
    4,
    24,
    36,
    38,
)
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
LINUX = sys.platform.startswith("linux")


def prctl(option: int, value: int) -> bool:
    """Set a property of this process; tells whether the kernel took it."""
    return LINUX and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0


def mount(source: "str | None", target: str, kind: "str | None", flags: int, data: str = "") -> None:
    """Mount, or raise OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    if libc.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def hide(folders: "list[str]", keep: "list[str]") -> None:
    """Lay an empty file system over each folder, and put what the job may see back into its place."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    kept = [(path, os.open(path, os.O_PATH)) for path in keep]
    for folder in folders:
        if os.path.isdir(folder):
            mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path, descriptor in kept:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND)
        os.close(descriptor)


def drop_privileges() -> None:
    """Give up every capability for good: inside the fence, root is nobody in particular."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        prctl(PR_CAPBSET_DROP, capability)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())


def start(specification: "dict[str, Any]") -> int:
    """Start the job in a session of its own; returns its process id."""
    job = os.fork()
    if job:
        return job
    try:
        os.setsid()
        os.chdir(specification["folder"])
        if specification.get("drop"):
            drop_privileges()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execve("/bin/sh", ["sh", "-c", specification["command"]], specification["environment"])
    except BaseException as error:  # noqa: BLE001 - a child that cannot start may only say so and go
        os.write(2, f"tiltyard: the command cannot be started: {error}\n".encode())
        os._exit(126)


def descendants() -> "list[int]":
    """Everything that descends from this process, nearest first."""
    parents = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            with (
                contextlib.suppress(OSError, ValueError, IndexError),
                open(f"/proc/{name}/stat", "rb") as stat,
            ):
                parents[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
    found = [os.getpid()]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def end_everything(job: int) -> None:
    """Kill all that is left of the job, until nothing is."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            os.killpg(job, signal.SIGKILL)
        for process in descendants():
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def watch(job: int, life: int) -> "int | None":
    """Wait until the job ends, or its supervisor asks or is gone. Returns the job's wait status, or None."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        with contextlib.suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if process == job:
                    return status
                if not process:
                    break
        ready, _, _ = select.select([life, wake_read], [], [], 1)
        if wake_read in ready:
            os.read(wake_read, 4096)
        if life in ready:
            said = os.read(life, 1)
            if not said:
                return None
            with contextlib.suppress(OSError):
                os.killpg(job, signal.SIGTERM)


def main() -> None:
    """Run one job."""
    specification = json.loads(sys.argv[1])
    life, told = specification["life"], specification["told"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_DUMPABLE, 0)
    if specification.get("hide"):
        hide(specification["hide"], specification["keep"])
    if specification.get("subreaper"):
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    job = start(specification)
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    status = watch(job, life)
    end_everything(job)
    if status is not None:
        ended = (
            {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"exit": os.WEXITSTATUS(status)}
        )
        os.write(told, json.dumps(ended).encode())


if __name__ == "__main__":
    main()
