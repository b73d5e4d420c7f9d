r"""The digest of a folder's content: of its files and their paths, however they are packed.

It is the SHA-256 of one line a file, in the order of the paths' UTF-8: the file's SHA-256, two spaces, the path, a line
feed; a backslash and a line feed in a path are written `\\` and `\\n`. `sha256sum` prints the same lines.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tiltyard.archive.limits import Limits
from tiltyard.archive.members import read_members

INPUT_LIMITS = Limits(
    packed_bytes=64 << 30, unpacked_bytes=64 << 30, files=20_000, depth=64, ratio=1 << 40, name_bytes=255
)
"""Of a folder that a job gets as an input: it was stored under quotas of its own, and is not compressed."""


def content_digest(files: Mapping[str, str]) -> str:
    """The digest of a folder, from the SHA-256 of each of its files by path."""
    lines = (f"{sha256}  {_escaped(path)}\n".encode() for path, sha256 in _in_order(files))
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def packed_content_digest(path: Path, limits: Limits = INPUT_LIMITS) -> str:
    """The digest of the content of an archive. Raises `ArchiveRefused` at the first broken rule."""
    files: dict[str, str] = {}
    for member in read_members(path, limits):
        if not member.directory:
            digest = hashlib.sha256()
            for chunk in member.chunks:
                digest.update(chunk)
            files[member.name] = digest.hexdigest()
    return content_digest(files)


def _in_order(files: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(files.items(), key=lambda item: item[0].encode())


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n")
