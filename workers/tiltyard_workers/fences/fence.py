"""What keeps a job's processes in, and which of the three kinds holds on this host.

- `bubblewrap`: namespaces for processes, mounts and IPC; the host's files are read-only but for the job's own folder.
- `unshare`: the same namespaces without bubblewrap; the worker's own folders are hidden, the rest is as it is on the host.
- `subreaper`: no namespace. Everything that descends from the job dies with it and with its supervisor, also what left its
  session; but it runs as the worker's own user, and what that user can read it can read.

In each, the warden is what a killed supervisor's job ends by. The network is the host's.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARDEN = Path(__file__).with_name("warden.py")
_NAMESPACES = ("--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc", "--ipc")
_UNSHARE = {
    "root": ("unshare", *_NAMESPACES),
    "user": ("unshare", "--user", "--map-root-user", *_NAMESPACES),
}


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A kind of fence, as it works here."""

    name: str
    how: str = ""
    """For `unshare`: as `root`, or in a `user` namespace."""

    @property
    def hides(self) -> str:
        """What a job cannot see or touch, in a sentence."""
        match self.name:
            case "bubblewrap":
                return "other processes, the worker's folders and secrets; it writes to its own folder alone"
            case "unshare":
                return (
                    "other processes, the worker's folders and secrets; it may write what this user may write"
                )
            case _:
                return "nothing that this user can read: give jobs a host or a container of their own"

    def command(
        self, specification: dict[str, Any], *, visible: Sequence[Path], hidden: Sequence[Path]
    ) -> list[str]:
        """The command that starts the warden behind this fence."""
        there, kept = [str(path) for path in hidden if path.is_dir()], [str(path) for path in visible]
        warden = [sys.executable, "-I", "-S", str(WARDEN)]
        match self.name:
            case "bubblewrap":
                return [*_bubblewrap(there, kept), *warden, json.dumps(specification | {"subreaper": True})]
            case "unshare":
                inside = {"hide": there, "keep": kept, "drop": True}
                return [*_UNSHARE[self.how], *warden, json.dumps(specification | inside)]
            case _:
                return [*warden, json.dumps(specification | {"subreaper": True})]


def _bubblewrap(hidden: Sequence[str], visible: Sequence[str]) -> list[str]:
    binds = [part for path in visible for part in ("--bind", path, path)]
    masks = [part for path in hidden for part in ("--tmpfs", path)]
    return [
        "bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session",
        "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", *masks,  # noqa: S108 - it is the mount's place
        *binds, "--cap-drop", "ALL", "--",
    ]  # fmt: skip


BUBBLEWRAP = Fence(name="bubblewrap")
SUBREAPER = Fence(name="subreaper")


def choose_fence(wanted: str = "") -> Fence:
    """The strongest fence that works here, found by trying; or the one that is wanted.

    Raises:
        ValueError: the wanted one does not work here.
    """
    for fence in (
        BUBBLEWRAP,
        Fence(name="unshare", how="root"),
        Fence(name="unshare", how="user"),
        SUBREAPER,
    ):
        if wanted in {"", fence.name} and works(fence):
            return fence
    raise ValueError(f"the fence {wanted!r} does not work on this host")


def works(fence: Fence) -> bool:
    """Whether a fence can be put up here; decided by doing it."""
    match fence:
        case Fence(name="bubblewrap"):
            if shutil.which("bwrap") is None:
                return False
            probe = [*_bubblewrap([], []), "/bin/sh", "-c", "exit 0"]
        case Fence(name="unshare", how="root") if os.geteuid() != 0:
            return False
        case Fence(name="unshare", how=how):
            if shutil.which("unshare") is None:
                return False
            probe = [*_UNSHARE[how], "/bin/sh", "-c", "mount -t tmpfs tmpfs /mnt && exit 0"]
        case _:
            return True
    try:
        return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
