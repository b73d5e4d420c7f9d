"""What keeps a job's processes in, and which of the three kinds holds on this host.

- `bubblewrap` and `unshare`: namespaces for processes, mounts and IPC. The job sees no process but its own; the host's
  files are read-only but for its own folder and a /tmp of its own; the worker's folders and the usual places of secrets
  look empty. On a kernel before 5.12, `unshare` cannot make the host's files read-only. Not hidden: the network is the
  host's, and what else this user can read on the host can be read.
- `subreaper`: no namespace. Everything that descends from the job dies with it and with its supervisor, also what left its
  session; but it runs as the worker's own user, sees every process, reads and writes what that user can, and may signal
  the worker. Only the environment and the memory of the worker are closed to it, on Linux. Its /dev/shm is the host's: a job
  can fill that, and what it leaves there stays.

In each, the job has no capability and cannot gain one, and the warden is what a killed supervisor's job ends by. In each, the
warden counts the job's processes and measures its folders, and ends a job that passes its limit; behind a namespace all of
it ends in one step, without it a job that keeps starting processes as others are ended can hold out for seconds.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tiltyard_workers.fences.view import View

WARDEN = "tiltyard-warden"
PROBE_SECONDS = 60.0
"""That a host is busy is no reason for a weaker fence."""
_IMPORTED_FROM = str(Path(__file__).parents[2])
_RUN = f"import sys; sys.path.append({_IMPORTED_FROM!r}); from tiltyard_workers.fences.warden import main; main()"
_MASK_BYTES = str(1 << 20)
_NAMESPACES = ("--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc", "--ipc")


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A kind of fence, as it works here."""

    name: str
    how: str = ""
    """For `unshare`: as `root`, or in a `user` namespace."""

    @property
    def hides(self) -> str:
        """What a job cannot see or touch, in a sentence."""
        if self.name == "subreaper":
            return "nothing that this user can read, but the worker's own environment and memory"
        writes = "" if self.name == "unshare" and not _read_only() else "; it writes to its own folder alone"
        return f"other processes, the worker's folders, the usual places of secrets{writes}"

    @property
    def shows(self) -> str:
        """What a job can see that it need not, in a sentence."""
        match self.name:
            case "subreaper":
                return (
                    "all files, processes, /dev/shm and the network of this user: "
                    "give jobs a host or a container of their own"
                )
            case "unshare" if not _read_only():
                return "the network and this user's other files, which it may write: this kernel is older than 5.12"
            case _:
                return "the network, and to read, this user's other files"

    def command(self, view: View) -> tuple[list[str], dict[str, Any]]:
        """The command that starts the warden behind this fence, and what is added to the warden's specification."""
        warden = [sys.executable, "-I", "-S", "-c", _RUN, WARDEN]
        match self.name:
            case "bubblewrap":
                return [*_bubblewrap(view.specification(), sized=sized()), *warden], {
                    "namespace": True,
                    "own_user": True,
                }
            case "unshare":
                own = {"namespace": True, "own_user": self.how == "user", "view": view.specification()}
                return [*_unshare(self.how), *warden], own
            case _:
                return warden, {"namespace": False, "own_user": False}


def _unshare(how: str) -> list[str]:
    user = ["--user", "--map-root-user"] if how == "user" else []
    return [shutil.which("unshare") or "unshare", *user, *_NAMESPACES]


@cache
def sized() -> bool:
    """Whether the bubblewrap here can bound what a memory file system holds, as it can since 0.7.

    Where it cannot, the kernel bounds a job's /dev/shm, at half of the host's memory.
    """
    try:
        said = subprocess.run(
            [_bwrap(), "--help"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "--size" in said.stdout + said.stderr


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _bubblewrap(view: dict[str, Any], *, sized: bool) -> list[str]:
    folders = [path for path in view["hidden"] if Path(path).is_dir()]
    masks = [
        part
        for path in view["hidden"]
        for part in (
            (*(("--size", _MASK_BYTES) if sized else ()), "--tmpfs", path)
            if path in folders
            else ("--ro-bind", "/dev/null", path)
        )
    ]
    return [
        _bwrap(),
        "--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session",
        "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
        *(part for path in view["devices"] for part in ("--dev-bind", path, path)),
        *(("--perms", "1777", "--size", str(view["shm"])) if sized else ()), "--tmpfs", "/dev/shm",  # noqa: S108 - it is the mount's place
        "--remount-ro", "/dev",
        *(part for place, source in view["temporary"].items() for part in ("--bind", source, place)),
        *masks,
        *(part for path in view["needed"] for part in ("--ro-bind", path, path)),
        *(part for path in view["own"] for part in ("--bind", path, path)),
        *(part for path in folders if not sized for part in ("--remount-ro", path)),
        "--cap-drop", "ALL", "--",
    ]  # fmt: skip


BUBBLEWRAP = Fence(name="bubblewrap")
SUBREAPER = Fence(name="subreaper")
KINDS = (BUBBLEWRAP, Fence(name="unshare", how="root"), Fence(name="unshare", how="user"), SUBREAPER)
"""The strongest first."""


def choose_fence(wanted: str = "") -> Fence:
    """The strongest fence that works here, found by trying; or the one that is wanted.

    Raises:
        ValueError: the wanted one does not work here.
    """
    for fence in KINDS:
        if wanted in {"", fence.name} and works(fence):
            return fence
    kinds = "there are bubblewrap, unshare and subreaper"
    raise ValueError(f"the fence {wanted!r} does not work on this host: {kinds}")


def works(fence: Fence) -> bool:
    """Whether a fence can be put up here; decided by doing it."""
    match fence:
        case Fence(name="bubblewrap"):
            if shutil.which("bwrap") is None:
                return False
            empty: dict[str, Any] = {
                "hidden": [], "devices": [], "temporary": {}, "needed": [], "own": [], "shm": 1 << 20
            }  # fmt: skip
            return _succeeds([*_bubblewrap(empty, sized=sized()), "/bin/sh", "-c", "exit 0"])
        case Fence(name="unshare", how="root") if os.geteuid() != 0:
            return False
        case Fence(name="unshare", how=how):
            if shutil.which("unshare") is None:
                return False
            return _succeeds([*_unshare(how), "/bin/sh", "-c", "mount -t tmpfs tmpfs /mnt && exit 0"])
        case _:
            return True


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return (
            subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _read_only() -> bool:
    """Whether this kernel can make all mounts read-only at once."""
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 12)
