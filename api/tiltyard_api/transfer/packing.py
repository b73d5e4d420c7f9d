"""Many files as one tar or zip, made while it is sent: neither whole files nor the archive are held in memory or on disk.

The same files give the same bytes: they come in the order of their names, without times and owners. A file that cannot
be read to its end cuts the answer off, so that half an archive is never taken for a whole one.
"""

import io
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import IO, Any, cast

from fastapi.responses import StreamingResponse

from tiltyard_api.transfer.download import HARMLESS, attachment
from tiltyard_orchestrator.artifacts.store import Missing

_BLOCK = tarfile.BLOCKSIZE
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can say."""


class Packing(StrEnum):
    """How files are packed."""

    tar = "tar"
    zip = "zip"


MEDIA_TYPES = {Packing.tar: "application/x-tar", Packing.zip: "application/zip"}

PACKED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The files as one archive",
        "content": {
            kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in MEDIA_TYPES.values()
        },
    }
}
"""What OpenAPI says of a route that answers so."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file to be packed."""

    name: str
    """In the archive."""
    size: int
    read: Callable[[], AsyncIterator[bytes]]
    """Opens it; called when its turn comes."""

    def named(self, name: str) -> "Item":
        """The same file under another name."""
        return replace(self, name=name)


async def send_packed(items: Sequence[Item], packing: Packing, name: str) -> StreamingResponse:
    """Answer with files as one archive. What is away before the first byte is an error answer, and no cut one.

    Args:
        items: the files.
        packing: tar or zip.
        name: what a browser saves it under, without a suffix.
    """
    ordered = sorted(items, key=lambda item: item.name.encode())
    pieces = (_tar if packing is Packing.tar else _zip)(ordered)
    first = await anext(pieces)
    headers = {key: value for key, value in HARMLESS.items() if key != "Accept-Ranges"}
    return StreamingResponse(
        _behind(first, pieces),
        media_type=MEDIA_TYPES[packing],
        headers=headers | {"Content-Disposition": attachment(f"{name}.{packing.value}")},
    )


async def send_file(item: Item) -> StreamingResponse:
    """Answer with one file; what is away before the first byte is an error answer."""
    pieces = exactly(item)
    first = await anext(pieces, b"")
    headers = {key: value for key, value in HARMLESS.items() if key != "Accept-Ranges"}
    name = item.name.rsplit("/", 1)[-1]
    return StreamingResponse(
        _behind(first, pieces),
        media_type="application/octet-stream",
        headers=headers | {"Content-Disposition": attachment(name), "Content-Length": str(item.size)},
    )


async def _behind(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _tar(items: Sequence[Item]) -> AsyncIterator[bytes]:
    for item in items:
        info = tarfile.TarInfo(item.name)
        info.size, info.mode = item.size, 0o644
        head = info.tobuf(tarfile.PAX_FORMAT, "utf-8")
        async for chunk in exactly(item):
            yield head + chunk
            head = b""
        yield head + b"\0" * (-item.size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


async def _zip(items: Sequence[Item]) -> AsyncIterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            info = zipfile.ZipInfo(item.name, _EPOCH)
            info.file_size = item.size
            info.external_attr = 0o100644 << 16
            with archive.open(info, "w") as member:
                async for chunk in exactly(item):
                    member.write(chunk)
                    yield sink.take()
    yield sink.take()


async def exactly(item: Item) -> AsyncIterator[bytes]:
    """A file's bytes, as many as were announced."""
    left = item.size
    async for chunk in item.read():
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise Missing(item.name)


class _Sink(io.RawIOBase):
    """Where `zipfile` writes: it cannot be rewound, and is emptied after each piece."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take bytes in."""
        piece = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever zipfile writes is a buffer
        self._written += piece
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._written)
        self._written.clear()
        return taken
