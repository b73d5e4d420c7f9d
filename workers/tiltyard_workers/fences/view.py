"""What a job sees of the host's files: which of them are its own, which are hidden, and which it needs to run at all."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiltyard.profile import profile_path

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - they are replaced
_IN_HOME = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".config/tiltyard",
    ".netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc", ".bash_history", ".python_history",
)  # fmt: skip
_ON_HOST = (
    # Whoever may talk to a container engine may do everything on its host.
    "/run/docker.sock", "/run/containerd", "/run/podman", "/run/crio", "/run/secrets",
    "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers", "/etc/sudoers.d",
)  # fmt: skip
_COMPUTING = ("nvidia*", "nvidia-caps", "dri", "kfd", "dxg", "accel")


@dataclass(frozen=True, kw_only=True)
class View:
    """A job's files. Everything that is not named here it may read and not write."""

    own: Sequence[Path]
    """Its own folders, to write to."""
    temporary: Path | None = None
    """The folder of its own that it finds as /tmp; None: the host's, to read."""
    hidden: Sequence[Path] = ()
    """Folders that look empty to it, and files that do."""
    shm_bytes: int
    """What its own /dev/shm holds."""

    def specification(self) -> dict[str, object]:
        """The view as the warden reads it."""
        places = [place for place in TEMPORARY if self.temporary and Path(place).is_dir()]
        temporary = dict.fromkeys(places, str(self.temporary))
        hidden = [str(path) for path in self.hidden if os.path.exists(path)]  # noqa: PTH110 - tells of a closed folder instead of raising
        own = [str(path) for path in self.own]
        return {
            "own": own,
            "temporary": temporary,
            "hidden": hidden,
            "needed": [path for path in needed() if _below(path, [*temporary, *hidden])],
            "devices": devices(),
            "shm": self.shm_bytes,
        }


def needed() -> list[str]:
    """The folders without which the worker's Python does not run: its installation, and what it imports from."""
    found = {*sys.path, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found |= {os.path.realpath(path) for path in found if path} | {
        str(Path(sys.executable).resolve().parents[1])
    }
    folders = sorted(path for path in found if path and Path(path).is_dir())
    return [path for path in folders if not _below(path, [other for other in folders if other != path])]


def secret_places(environment: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """The places where people and hosts usually keep what no job may read."""
    yield profile_path(environment).parent
    for name in _IN_HOME:
        yield Path.home() / name
    for place in _ON_HOST:
        yield Path(place)


def devices() -> list[str]:
    """The devices that computing needs, as they are here."""
    return sorted({str(path) for pattern in _COMPUTING for path in Path("/dev").glob(pattern)})


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
