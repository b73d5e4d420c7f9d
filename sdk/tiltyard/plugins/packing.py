"""Packs a plugin in one way: the same files are the same bytes, and so the same digest, however they were sent."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def canonical(files: Mapping[str, bytes]) -> bytes:
    """A tar of the files: sorted by name, uncompressed, without times, owners or execute bits."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(files[name]), 0o644
            tar.addfile(info, io.BytesIO(files[name]))
    return out.getvalue()


def digest(files: Mapping[str, bytes]) -> str:
    """The SHA-256 of the files as they are packed, in hexadecimal."""
    return hashlib.sha256(canonical(files)).hexdigest()


def write_canonical(files: Mapping[str, bytes], into: Path) -> str:
    """Write the packed files to a new file; their SHA-256. FileExistsError: it is there already."""
    data = canonical(files)
    with into.open("xb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()
