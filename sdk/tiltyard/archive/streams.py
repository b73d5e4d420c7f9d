"""Decompresses a file as a stream, in bounded memory, and notices when it is damaged or cut off.

The standard library's file objects would do, but for what a hostile file makes of them: xz headers that ask for
gigabytes, and millions of empty streams in a row.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from tiltyard.archive.limits import MIB, Budget
from tiltyard.archive.refused import ArchiveRefused, Rule

CHUNK = 64 * 1024
_XZ_MEMORY = 256 * MIB  # `xz -9` needs 65 MiB
_MOST_STREAMS = 100_000  # block-wise writers make one per 64 KiB


class Decompressor(Protocol):
    """What bz2 and lzma give, and `Inflate` makes of zlib."""

    @property
    def eof(self) -> bool: ...  # noqa: D102
    @property
    def needs_input(self) -> bool: ...  # noqa: D102
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...  # noqa: D102


class Inflate:
    """Zlib with the manners of the other two."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return not self._zlib.eof and not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes more."""
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "tar.gz": lambda: Inflate(31),
    "tar.bz2": bz2.BZ2Decompressor,
    "tar.xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}
DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class Stream:
    """Reads exactly as many bytes as asked, of a plain file or of a compressed one."""

    def __init__(self, file: BinaryIO, kind: str, budget: Budget) -> None:
        self._file = file
        self._start = DECOMPRESSORS.get(kind)
        self._decompressor = self._start() if self._start else None
        self._budget = budget
        self._ready = b""
        self._rest = b""
        self._streams = 1

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        taken = []
        while size > 0:
            if not self._ready:
                self._ready = self._more()
                if not self._ready:
                    break
            taken.append(self._ready[:size])
            self._ready = self._ready[size:]
            size -= len(taken[-1])
        return b"".join(taken)

    def _more(self) -> bytes:
        if self._decompressor is None:
            piece = self._file.read(CHUNK)
        else:
            try:
                piece = self._decompressed()
            except DAMAGE as error:
                raise ArchiveRefused(Rule.damaged, f"it does not decompress ({error})") from error
        self._budget.streamed(len(piece))
        return piece

    def _decompressed(self) -> bytes:
        """Some bytes more; none at the end of the file."""
        while True:
            assert self._decompressor is not None
            if self._decompressor.eof:
                if not self._next_stream():
                    return b""
                continue
            data = self._input() if self._decompressor.needs_input else b""
            cut_off = self._decompressor.needs_input and not data
            piece = self._decompressor.decompress(data, CHUNK)
            if piece:
                return piece
            if cut_off and not self._decompressor.eof:
                raise EOFError("it is cut off")

    def _next_stream(self) -> bool:
        """Go on after the end of a compressed stream: nothing, padding, or another stream."""
        assert self._decompressor is not None
        assert self._start is not None
        rest = self._decompressor.unused_data.lstrip(b"\0")
        while not rest:
            data = self._file.read(CHUNK)
            if not data:
                return False
            rest = data.lstrip(b"\0")
        self._streams += 1
        if self._streams > _MOST_STREAMS:
            raise ValueError("it has too many compressed streams")
        self._decompressor = self._start()
        self._rest = rest
        return True

    def _input(self) -> bytes:
        data, self._rest = self._rest or self._file.read(CHUNK), b""
        return data
