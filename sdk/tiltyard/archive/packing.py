"""Packs a directory so that the same files give the same archive, byte for byte, and so the same digest.

Names are sorted; times, owners and the umask leave no trace. What no entry point needs is left out (`.git`, `.venv`,
`__pycache__`, `*.pyc`, and a folder that `tiltyard run` filled). Links are refused rather than followed: a packed copy
of what a link points to would hide that the folder and the archive differ, and a link that leaves the folder would carry
what nobody meant to send.
"""

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tiltyard.archive.limits import LIMITS, Budget, Limits
from tiltyard.archive.names import Parts, Tree, decoded, parts_of
from tiltyard.archive.refused import ArchiveRefused, Rule

MADE_HERE = ".made-by-tiltyard-run"
"""A file of this name marks a folder of results: a job that got it would take it for its own."""
_LEFT_OUT = frozenset({".git", ".venv", "__pycache__"})


def pack_directory(path: Path, into: Path, limits: Limits = LIMITS) -> None:
    """Pack the directory at `path` into a new tar.gz at `into`.

    Raises `ArchiveRefused` for what no archive may hold, with the same rules as reading one, and leaves no file then.
    FileExistsError: `into` is there already.
    """
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is not a directory")
    with into.open("xb") as file:
        try:
            # No file name and no time in the gzip header.
            with (
                gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                size = _add_all(tar, path, into, limits)
            Budget(file.tell(), limits).unpacked(path.name, size)
        except BaseException:
            into.unlink()
            raise


def holds(path: Path, name: str) -> bool:
    """Whether there is a file of this name at any depth of the directory at `path`, in what would be packed."""
    for _, folders, files in os.walk(path):
        if name in files:
            return True
        folders[:] = [folder for folder in folders if folder not in _LEFT_OUT]
    return False


def _add_all(tar: tarfile.TarFile, root: Path, into: Path, limits: Limits) -> int:
    """Add everything below `root`, and return how many bytes the files have."""
    tree = Tree(limits)
    total = 0
    for parts, entry in _walk(root, (), into, limits):
        info = tarfile.TarInfo("/".join(parts))
        if entry.is_dir(follow_symlinks=False):
            tree.add_directory(parts)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
            continue
        tree.add_file(parts)
        with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o111 else 0o644
            total += info.size
            if total > limits.unpacked_bytes:
                message = f"the files are more than {limits.unpacked_bytes} bytes"
                raise ArchiveRefused(Rule.too_large, message, member=info.name)
            tar.addfile(info, file)
    return total


def _walk(
    folder: Path, above: Parts, into: Path, limits: Limits
) -> Iterator[tuple[Parts, "os.DirEntry[str]"]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        if entry.name in _LEFT_OUT or entry.name.endswith(".pyc"):
            continue
        parts = parts_of("/".join((*above, decoded(os.fsencode(entry.name)))), limits)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if Path(entry.path, MADE_HERE).is_file():
                continue
            yield parts, entry
            yield from _walk(Path(entry.path), parts, into, limits)
        elif stat.S_ISREG(mode):
            if not into.samefile(entry.path):
                yield parts, entry
        elif stat.S_ISLNK(mode):
            message = f"it is a link to {Path(entry.path).readlink()}: put the file itself there"
            raise ArchiveRefused(Rule.link, message, member="/".join(parts))
        else:
            raise ArchiveRefused(Rule.device, "it is neither a file nor a directory", member="/".join(parts))
