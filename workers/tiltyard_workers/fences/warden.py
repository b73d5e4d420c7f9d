"""The first process inside a fence: it starts the job, waits for it, and takes everything down behind it.

It is run by an isolated interpreter, with the standard library alone; as the first process of a PID namespace where there
is one, else as a child subreaper. It lives by a pipe: a `T` on it asks the job to end, and its end, which is also what a
supervisor leaves that was killed, ends everything at once. So does a limit that the job passes. How the job ended goes out on
a second pipe.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from tiltyard_workers.fences.processes import descendants
from tiltyard_workers.fences.usage import Usage

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 24, 36, 38
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
LINUX = sys.platform.startswith("linux")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PREFERRED_VICTIM = 500
"""Of 1000: when memory runs out, the kernel is to end the job and not the worker."""


def prctl(option: int, value: int) -> bool:
    """Set a property of this process; tells whether the kernel took it."""
    return LINUX and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0


def mount(source: "str | None", target: str, kind: "str | None", flags: int, data: str = "") -> None:
    """Mount, or raise OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [os.fsencode(text) if text is not None else None for text in (source, target, kind, data)]
    if libc.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def protect(target: str, *, read_only: bool) -> None:
    """Make everything mounted at and below a place read-only, or one mount writable; kernels before 5.12 cannot."""
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY if read_only else 0, 0 if read_only else READ_ONLY, 0, 0)
    flags = AT_RECURSIVE if read_only else 0
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, ctypes.byref(attributes), 32) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def lay_out(view: "dict[str, Any]") -> None:
    """Show the job the host's files read-only, without the hidden ones, and its own folders in their places."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    wanted = [*view["own"], *view["needed"], *view["temporary"].values()]
    opened = {path: os.open(path, os.O_PATH) for path in wanted}
    devices = {name: os.open(name, os.O_PATH) for name in view["devices"]}
    protected = True
    try:
        protect("/", read_only=True)
    except OSError:
        protected = False

    def bind(source: str, target: str, *, writable: bool) -> None:
        mount(f"/proc/self/fd/{opened[source]}", target, None, MS_BIND)
        if writable and protected:
            protect(target, read_only=False)

    for target, source in view["temporary"].items():
        bind(source, target, writable=True)
    for path in view["hidden"]:
        conceal(path)
    for path in view["needed"]:
        os.makedirs(path, exist_ok=True)
        bind(path, path, writable=False)
    for path in view["own"]:
        os.makedirs(path, exist_ok=True)
        bind(path, path, writable=True)
    make_devices(devices, view["shm"])
    for descriptor in opened.values():
        os.close(descriptor)


def conceal(path: str) -> None:
    """Lay an empty folder over a folder, and nothing over a file."""
    if os.path.isdir(path):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    elif os.path.exists(path):
        mount("/dev/null", path, None, MS_BIND)


def make_devices(more: "dict[str, int]", shm: int) -> None:
    """A /dev of harmless devices, and of those that computing needs, with so many bytes of shared memory."""
    plain = {f"/dev/{name}": os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES}
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "size=1m,mode=755")
    for path, descriptor in {**plain, **more}.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        source = f"/proc/self/fd/{descriptor}"
        if os.path.isdir(source):
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        mount(source, path, None, MS_BIND | MS_REC)
        os.close(descriptor)
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    os.mkdir("/dev/shm")  # noqa: S108 - it is the mount's place
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, f"size={shm},mode=1777")  # noqa: S108
    with contextlib.suppress(OSError):
        os.mkdir("/dev/pts")
        mount("devpts", "/dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
        os.symlink("pts/ptmx", "/dev/ptmx")


def drop_privileges() -> None:
    """Give up every capability for good: inside the fence, root is nobody in particular."""
    if not LINUX:
        return
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        prctl(PR_CAPBSET_DROP, capability)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())


def bound(specification: "dict[str, Any]") -> None:
    """Have the kernel hold what it can of the job's limits, so that between two looks nothing grows beyond all measure."""
    limits = {resource.RLIMIT_FSIZE: specification["allowed"]["file"]}
    if specification["own_user"]:  # elsewhere it counts what else this user runs, and does not bind root
        limits[resource.RLIMIT_NPROC] = 2 * specification["allowed"]["processes"]
    for limit, wanted in limits.items():
        hardest = resource.getrlimit(limit)[1]
        most = wanted if hardest == resource.RLIM_INFINITY else min(wanted, hardest)
        resource.setrlimit(limit, (most, most))


def start(specification: "dict[str, Any]") -> int:
    """Start the job in a session of its own; returns its process id."""
    job = os.fork()
    if job:
        return job
    try:
        os.setsid()
        os.chdir(specification["folder"])
        bound(specification)
        drop_privileges()
        for number in (*ASKING, signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execve("/bin/sh", ["sh", "-c", specification["command"]], specification["environment"])
    except BaseException as error:  # noqa: BLE001 - a child that cannot start may only say so and go
        os.write(2, f"tiltyard: the command cannot be started: {error}\n".encode())
        os._exit(126)


def end_everything(job: int, seen: "set[int]", *, namespace: bool) -> None:
    """Kill all that is left of the job, until nothing is."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            # Everything that we may signal is the job's, and no process is started while the kernel does that.
            os.kill(-1, signal.SIGKILL) if namespace else os.killpg(job, signal.SIGKILL)
        for process in {*descendants(os.getpid(), *seen), *seen}:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        seen.clear()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def watch(job: int, life: int, usage: Usage) -> "int | None":
    """Wait until the job ends, passes a limit, or its supervisor asks or is gone. Returns the job's wait status, or None."""
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
        ready, _, _ = select.select([life, wake_read], [], [], usage.rest)
        usage.look()
        if usage.passed:
            return None
        if wake_read in ready:
            os.read(wake_read, 4096)
        if life in ready:
            said = os.read(life, 1)
            if not said:
                return None
            with contextlib.suppress(OSError):
                os.killpg(job, signal.SIGTERM)


def make_ready(specification: "dict[str, Any]") -> None:
    """Become what the fence needs here before the job is there."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for descriptor in (specification["life"], specification["told"]):
        os.set_inheritable(descriptor, False)
    prctl(PR_SET_DUMPABLE, 0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(PREFERRED_VICTIM))
    if specification.get("view"):
        lay_out(specification["view"])
    if os.getpid() != 1:
        prctl(PR_SET_CHILD_SUBREAPER, 1)


def how_it_ended(status: "int | None", usage: Usage) -> "dict[str, Any]":
    """What the supervisor is told."""
    ended: dict[str, Any] = {}
    if status is not None:
        usage.look_at_last()
        ended = (
            {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"exit": os.WEXITSTATUS(status)}
        )
    return ended | {
        "passed": usage.passed,
        "shm_full": usage.shm_full,
        "shm_was_full": usage.shm_was_full,
    }


def main() -> None:
    """Run one job."""
    specification = json.loads(sys.stdin.buffer.read())
    make_ready(specification)
    job = start(specification)
    for descriptor in (1, 2):
        os.close(descriptor)
    usage = Usage(specification)
    status = watch(job, specification["life"], usage)
    usage.look_at_shared_memory()
    end_everything(job, usage.seen, namespace=specification["namespace"])
    with contextlib.suppress(OSError):  # nobody listens when the supervisor was killed
        os.write(specification["told"], json.dumps(how_it_ended(status, usage)).encode())
