"""The file of a bundle: a plain tar that any tool lists, of which every single byte follows from its content.

First `bundle.sha256`, the digest of `bundle.json`; then `bundle.json`, which names every other entry with its size and
digest, in order; then those. A header that says anything else than name and size, a pad that is not zero, a byte behind the
end: all of that is a change, and is refused. So nothing here interprets a header, and no name leads anywhere.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ValidationError

from tiltyard.wire.bundles import BUNDLE_VERSION, BundleIndex

BLOCK = 512
PIECE = 1 << 20
END = bytes(2 * BLOCK)
SEAL, INDEX = "bundle.sha256", "bundle.json"
SEAL_BYTES = 65
LARGEST_INDEX = 128 << 20
LONGEST_LINE = 32 << 20


class BundleRefused(ValueError):
    """A bundle that is not taken: `entry` is where, `code` is why."""

    def __init__(self, code: str, entry: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.entry, self.detail = code, entry, detail


class _Version(BaseModel):
    version: int


def header(name: str, size: int) -> bytes:
    """The tar header of an entry: nothing of it is of a user, a machine or a moment."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills an entry's last block."""
    return bytes(-size % BLOCK)


def opening(index: bytes) -> bytes:
    """A bundle's first two entries."""
    seal = f"{hashlib.sha256(index).hexdigest()}\n".encode()
    return b"".join(
        (
            header(SEAL, len(seal)),
            seal,
            padding(len(seal)),
            header(INDEX, len(index)),
            index,
            padding(len(index)),
        )
    )


def framed(size: int) -> int:
    """How many bytes an entry of this size takes."""
    return BLOCK + size + len(padding(size))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A bundle of which every byte was checked."""

    path: Path
    digest: str
    index: BundleIndex
    places: dict[str, tuple[int, int]]
    """Offset and size of each entry."""

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of an entry.

        Raises:
            BundleRefused: one is too long.
        """
        offset, left = self.places[name]
        with self.path.open("rb") as file:
            file.seek(offset)
            while left > 0:
                line = file.readline(min(left, LONGEST_LINE))
                left -= len(line)
                if not line.endswith(b"\n"):
                    raise BundleRefused(
                        "bad_bundle", name, "holds a line that is too long, or that does not end"
                    )
                yield line

    def content(self, name: str) -> bytes:
        """The whole of a small entry."""
        offset, size = self.places[name]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def extract(self, name: str, to: Path) -> None:
        """Write a blob's bytes to a new file.

        Raises:
            BundleRefused: they are not what it is called by.
        """
        offset, left = self.places[name]
        digest = hashlib.sha256()
        with self.path.open("rb") as file, to.open("xb") as out:
            file.seek(offset)
            while left > 0 and (piece := file.read(min(PIECE, left))):
                out.write(piece)
                digest.update(piece)
                left -= len(piece)
        if name != f"blobs/{digest.hexdigest()}":
            raise BundleRefused("bad_bundle", name, f"{name} is not called by its digest")


def open_bundle(path: Path) -> Opened:
    """Read a bundle from its first byte to its last.

    Raises:
        BundleRefused: it is none, it was changed, or it is of a later version.
    """
    with path.open("rb") as file:
        seal = _seal(file)
        raw = _index(file, seal)
        index = _understood(raw)
        places: dict[str, tuple[int, int]] = {}
        for entry in index.entries:
            if entry.name in places:
                raise BundleRefused("bad_bundle", entry.name, "is named twice")
            _header(file, entry.name, entry.size)
            places[entry.name] = (file.tell(), entry.size)
            if _digest(file, entry.name, entry.size) != entry.sha256:
                raise _changed(entry.name, "is not what its digest says")
            _pad(file, entry.name, entry.size)
        if file.read(len(END) + 1) != END:
            raise _changed("the end", "does not end as it was written")
    return Opened(path=path, digest=seal, index=index, places=places)


def _seal(file: IO[bytes]) -> str:
    first = file.read(BLOCK)
    if first != header(SEAL, SEAL_BYTES):
        if first[257:262] == b"ustar" or first.startswith(SEAL.encode()):
            raise _changed(SEAL, "does not begin as a bundle does")
        raise BundleRefused("not_a_bundle", "", "this is no bundle: `tiltyard export` writes one")
    seal = file.read(SEAL_BYTES)
    _pad(file, SEAL, SEAL_BYTES)
    return seal.decode(errors="replace").removesuffix("\n")


def _index(file: IO[bytes], seal: str) -> bytes:
    block = file.read(BLOCK)
    try:
        size = tarfile.TarInfo.frombuf(block, "utf-8", "strict").size
    except (tarfile.TarError, ValueError) as error:
        raise _changed(INDEX, "has another header") from error
    if not 0 <= size <= LARGEST_INDEX or block != header(INDEX, size):
        raise _changed(INDEX, "has another header")
    raw = file.read(size)
    if hashlib.sha256(raw).hexdigest() != seal:
        raise _changed(INDEX, f"is not what {SEAL} says")
    _pad(file, INDEX, size)
    return raw


def _understood(raw: bytes) -> BundleIndex:
    try:
        version = _Version.model_validate_json(raw).version
        if version > BUNDLE_VERSION:
            detail = f"is of version {version}, and this testbed reads up to {BUNDLE_VERSION}: bring it up to date first"
            raise BundleRefused("bundle_too_new", INDEX, detail)
        return BundleIndex.model_validate_json(raw)
    except ValidationError as error:
        raise malformed(INDEX, error) from error


def malformed(entry: str, error: ValidationError) -> BundleRefused:
    """The refusal of an entry that has another shape."""
    first = error.errors()[0]
    place = "/".join(map(str, first["loc"]))
    return BundleRefused("bad_bundle", entry, f"{place}: {first['msg']}" if place else first["msg"])


def _header(file: IO[bytes], name: str, size: int) -> None:
    if file.read(BLOCK) != header(name, size):
        raise _changed(name, "has another header")


def _digest(file: IO[bytes], name: str, size: int) -> str:
    digest, left = hashlib.sha256(), size
    while left > 0:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise _changed(name, "is cut short")
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def _pad(file: IO[bytes], name: str, size: int) -> None:
    if file.read(len(padding(size))) != padding(size):
        raise _changed(name, "is followed by something else than was written")


def _changed(entry: str, how: str) -> BundleRefused:
    return BundleRefused(
        "bundle_changed", entry, f"{entry} {how}: the bundle was changed since it was written"
    )
