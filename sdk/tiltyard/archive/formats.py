"""Tells an archive's format by its first bytes. A name that says otherwise is refused, not believed."""

from pathlib import Path

from tiltyard.archive.refused import ArchiveRefused, Rule

TAR_MAGIC = b"ustar"
TAR_MAGIC_AT = 257

_MAGIC = (
    (b"\x1f\x8b\x08", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\x00", "tar.xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
)
_SUFFIXES = {
    ".tar": "tar",
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.bz2": "tar.bz2",
    ".tbz2": "tar.bz2",
    ".tbz": "tar.bz2",
    ".tar.xz": "tar.xz",
    ".txz": "tar.xz",
    ".zip": "zip",
}


def detect_format(path: Path) -> str:
    """Return `tar`, `tar.gz`, `tar.bz2`, `tar.xz` or `zip`.

    Raises `ArchiveRefused` with `unknown_format`, or with `magic_mismatch` where the suffix of `path` says another.
    """
    with path.open("rb") as file:
        start = file.read(512)
    found = _by_magic(start)
    named = next((kind for suffix, kind in _SUFFIXES.items() if path.name.lower().endswith(suffix)), None)
    if found is None:
        message = "it is no archive by its first bytes: send a tar, tar.gz, tar.bz2, tar.xz or zip"
        raise ArchiveRefused(Rule.unknown_format, message)
    if named is not None and named != found:
        message = f"it is named like a {named}, and is a {found} by its first bytes"
        raise ArchiveRefused(Rule.magic_mismatch, message)
    return found


def _by_magic(start: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    return "tar" if start[TAR_MAGIC_AT:].startswith(TAR_MAGIC) else None
