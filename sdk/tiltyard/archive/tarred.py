"""Reads a tar as a stream: ustar, GNU long names and pax, header by header.

`tarfile` reads one header block for us and no more: its own iteration takes a long name of any size into memory, and
reads pax records with patterns that a hostile one can keep busy for hours.
"""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from tiltyard.archive.entries import Entry
from tiltyard.archive.formats import TAR_MAGIC, TAR_MAGIC_AT
from tiltyard.archive.limits import Budget
from tiltyard.archive.names import decoded
from tiltyard.archive.refused import ArchiveRefused, Rule
from tiltyard.archive.streams import CHUNK, Stream

_BLOCK = 512
_LONGEST_DESCRIPTION = 64 * 1024
"""Bytes of a long name or of a set of pax records."""
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def tar_members(file: BinaryIO, kind: str, budget: Budget) -> Iterator[Entry]:
    """Give the members of a tar; each one's content is to be taken before the next."""
    reader = _Reader(Stream(file, kind, budget), budget)
    while (entry := reader.next_entry()) is not None:
        yield entry
        for _ in entry.chunks:  # what the caller left
            pass


class _Reader:
    def __init__(self, stream: Stream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._first = True

    def next_entry(self) -> Entry | None:
        """Read headers up to that of a file or directory; None at the end."""
        described: dict[str, str] = {}
        while (header := self._header()) is not None:
            name = described.get("path", header.name)
            if header.type in _PAX:
                records = self._pax(header)
                if header.type == tarfile.XGLTYPE:
                    _refuse_sparse(records.keys() & {"path", "size"}, header.name)
                else:
                    described.update(records)
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                described["path"] = decoded(self._description(header).rstrip(b"\0"))
            elif header.type in _LINKS or header.type == tarfile.GNUTYPE_LONGLINK:
                raise ArchiveRefused(Rule.link, "it is a link", member=name)
            elif header.type in _DEVICES:
                raise ArchiveRefused(Rule.device, "it is a device or a pipe", member=name)
            elif header.type in _REGULAR or header.type == tarfile.DIRTYPE:
                return self._entry(header, name, described)
            else:
                message = f"its type {header.type!r} is not read here"
                raise ArchiveRefused(Rule.unsupported, message, member=name)
        if described:
            raise _damaged("it ends between a member's headers")
        return None

    def _entry(self, header: tarfile.TarInfo, name: str, described: dict[str, str]) -> Entry:
        size = _size(described["size"]) if "size" in described else header.size
        directory = header.type == tarfile.DIRTYPE or (name.endswith("/") and not size)
        return Entry(name=name, directory=directory, mode=header.mode, size=size, chunks=self._content(size))

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._stream.read(min(CHUNK, left))
            if not chunk:
                raise _damaged("it is cut off inside a member")
            left -= len(chunk)
            yield chunk
        self._skip_padding(size)

    def _skip_padding(self, size: int) -> None:
        padding = -size % _BLOCK
        if len(self._stream.read(padding)) != padding:
            raise _damaged("it is cut off after a member")

    def _header(self) -> tarfile.TarInfo | None:
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _damaged("it is cut off: a tar ends with empty blocks")
        if self._first and block[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] != TAR_MAGIC and any(block):
            raise ArchiveRefused(Rule.unknown_format, "what is compressed in it is no tar")
        self._first = False
        if not any(block):
            self._check_end()
            return None
        self._budget.header()
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except UnicodeDecodeError:
            message = "a member's name is not UTF-8"
            raise ArchiveRefused(Rule.not_utf8, message) from None
        except (tarfile.HeaderError, ValueError) as error:
            raise _damaged(f"a header is not readable ({error})") from error
        if header.size < 0:
            raise _damaged("a member's size is below 0")
        return header

    def _check_end(self) -> None:
        while rest := self._stream.read(CHUNK):
            if any(rest):
                raise _damaged("something follows its end")

    def _description(self, header: tarfile.TarInfo) -> bytes:
        if header.size > _LONGEST_DESCRIPTION:
            message = f"a name or description is over {_LONGEST_DESCRIPTION} bytes"
            raise ArchiveRefused(Rule.name_too_long, message)
        return b"".join(self._content(header.size))

    def _pax(self, header: tarfile.TarInfo) -> dict[str, str]:
        records = dict(_records(self._description(header)))
        _refuse_sparse([key for key in records if key.startswith("GNU.sparse")], header.name)
        return {key: decoded(value) for key, value in records.items() if key in ("path", "size")}


def _records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The records of a pax header: `length key=value` and a line feed, the length counting all of it."""
    while data:
        digits, space, _ = data[:8].partition(b" ")
        if not space or not digits.isdigit():
            raise _damaged("a pax record has no length")
        length = int(digits)
        record, data = data[:length], data[length:]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != length or not record.endswith(b"\n") or not equals:
            raise _damaged("a pax record is malformed")
        yield key.decode(errors="replace"), value


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _damaged("a pax record gives no size")
    return int(text)


def _refuse_sparse(keys: object, name: str) -> None:
    if keys:
        message = "sparse files and shared descriptions are not read here"
        raise ArchiveRefused(Rule.unsupported, message, member=name)


def _damaged(message: str) -> ArchiveRefused:
    return ArchiveRefused(Rule.damaged, message)
