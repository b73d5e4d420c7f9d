"""An attempt's own folder, and the archives and plugins that are kept for the next job that needs them.

SCRATCH is a folder of one worker, held by a lock, so that what a killed one left can be told and removed.

ARCHIVES/{sha256}                 archives and plugins, checked; the workers of a host share them
SCRATCH/jobs/{job}.{epoch}/       everything of one attempt
    job/{project,home,tmp}        the unpacked archive and two empty folders: all of ours that the job sees
    job/plugins/{name}/           the files of each plugin that the job was given
    mlflow/                       what MLflow was not told yet
SCRATCH/mlflow-later/             the same of attempts that have ended; it is told while the process lives that ran them
TMPDIR/ty-{job}.{epoch}/run.sock  its socket: a socket's path is short, and SCRATCH may not be
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from tiltyard.archive import unpack
from tiltyard.wire import Claim

MOST_KEPT = 64
"""Archives and plugins; those that were not needed for the longest time leave."""
_LOCK = ".held"
MLFLOW_LATER = "mlflow-later"


class Damaged(Exception):
    """What the gateway sent is not what was asked for."""


Read = Callable[[], AbstractContextManager[Iterator[bytes]]]
"""Asks the gateway for bytes."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The places in an attempt's folder."""

    seen: Path
    """What the job sees of the attempt's folder: one mount behind a fence, so that files can be moved about in it."""
    work: Path
    """Where the command runs: the folder of the MLproject."""
    home: Path
    tmp: Path
    plugins: Path
    """A folder for each of the job's plugins."""
    socket: Path


@contextmanager
def attempt_folder(scratch: Path, claim: Claim) -> Iterator[Path]:
    """An empty folder for an attempt; it is removed with all that is in it."""
    root = scratch / "jobs" / f"{claim.job}.{claim.epoch}"
    root.parent.mkdir(parents=True, exist_ok=True)
    _remove_with_socket(root)
    root.mkdir(mode=0o700)
    try:
        yield root
    finally:
        _remove_with_socket(root)


def prepare(root: Path, claim: Claim, archive: Path) -> Folder:
    """Unpack an attempt's archive into its folder.

    Raises:
        ArchiveRefused: the archive breaks a rule.
        OSError: there is no room for it.
    """
    seen = root / "job"
    project = seen / "project"
    project.mkdir(parents=True)
    unpack(archive, project)
    folder = Folder(
        seen=seen,
        work=project / claim.project,
        home=seen / "home",
        tmp=seen / "tmp",
        plugins=seen / "plugins",
        socket=_socket_folder(root) / "run.sock",
    )
    folder.socket.parent.mkdir(mode=0o700)
    folder.home.mkdir()
    folder.tmp.mkdir()
    folder.plugins.mkdir()
    return folder


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(
    kept: Path, digest: str, read: Read, *, what: str, digest_of: Callable[[Path], str] = digest_of_file
) -> Path:
    """A file from the folder where they are kept, or from the gateway; its digest is checked either way.

    Args:
        kept: the folder where they are kept.
        digest: the SHA-256 of its bytes, or what `digest_of` finds.
        read: asks the gateway for them.
        what: what a person calls it.
        digest_of: measures a file that came.

    Raises:
        Damaged: the bytes are not those of the digest.
    """
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / digest
    if path.is_file() and digest_of(path) == digest:
        os.utime(path)
        return path
    partial = kept / f".{secrets.token_hex(6)}.partial"
    try:
        with read() as chunks, partial.open("xb") as out:
            for chunk in chunks:
                out.write(chunk)
        if digest_of(partial) != digest:
            raise Damaged(f"{what} arrived damaged")
        partial.chmod(0o444)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _forget_oldest(kept)
    return path


def remove(folder: Path) -> None:
    """Remove a folder, whatever its owner did to its permissions, and however deep it nests."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, str(folder)], capture_output=True, check=False)


def clear_leftovers(scratch: Path) -> None:
    """Remove what attempts left here whose supervisor was killed."""
    for root in (scratch / "jobs").glob("*"):
        _remove_with_socket(root)
    remove(scratch / MLFLOW_LATER)


def clear_dead_workers(scratch: Path) -> None:
    """Remove the folders of workers that are no more: nobody holds them."""
    for folder in scratch.iterdir():
        if not (folder / _LOCK).exists():
            continue
        with suppress(BlockingIOError), hold(folder):
            clear_leftovers(folder)
            remove(folder)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Make a worker's folder, and hold it as long as this process or one that it forked lives.

    Raises:
        BlockingIOError: another holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _socket_folder(root: Path) -> Path:
    return Path(gettempdir()) / f"ty-{root.name}"


def _remove_with_socket(root: Path) -> None:
    remove(_socket_folder(root))
    remove(root)


def _forget_oldest(kept: Path) -> None:
    files = sorted((path for path in kept.iterdir() if not path.name.startswith(".")), key=_needed_at)
    for path in files[:-MOST_KEPT]:
        path.unlink(missing_ok=True)


def _needed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another worker of this host forgot it meanwhile
        return 0
