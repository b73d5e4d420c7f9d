"""Reads a zip by its directory, and checks that the members are where and what the directory says.

Members must not overlap, must be as long as announced, and must have their checksum. Only stored and deflated ones are
read: every tool writes those.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tiltyard.archive.entries import Entry, check_kind
from tiltyard.archive.limits import Budget
from tiltyard.archive.names import decoded
from tiltyard.archive.refused import ArchiveRefused, Rule
from tiltyard.archive.streams import CHUNK, Inflate

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_PER_HEADER = 2048  # bytes of directory: a name, its extra fields
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PATCH = 0x20
_ELSEWHERE = 0xFFFFFFFF  # the number stands in a zip64 field


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A member as the directory lists it."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    mode: int
    offset: int


def zip_members(file: BinaryIO, budget: Budget) -> Iterator[Entry]:
    """Give the members of a zip, in the order of its directory."""
    directory_at, directory = _directory(file, budget)
    listed = list(_listed(directory, budget))
    starts = {}
    free_from = 0
    for member in sorted(listed, key=lambda one: one.offset):
        if member.offset < free_from:
            raise ArchiveRefused(Rule.damaged, "it overlaps another member", member=member.name)
        starts[member.offset] = _content_at(file, member)
        free_from = starts[member.offset] + member.packed
        if free_from > directory_at:
            raise ArchiveRefused(Rule.damaged, "it reaches over the directory", member=member.name)
    for member in listed:
        yield Entry(
            name=member.name,
            directory=member.name.endswith("/") or (member.mode & 0o170000) == 0o040000,
            mode=member.mode,
            size=member.size,
            chunks=_content(file, member, starts[member.offset]),
        )


def _directory(file: BinaryIO, budget: Budget) -> tuple[int, bytes]:
    """Where the directory begins, and its bytes."""
    length = file.seek(0, 2)
    tail_at = max(0, length - _LONGEST_COMMENT - _END.size)
    file.seek(tail_at)
    tail = file.read()
    found = tail.rfind(b"PK\x05\x06")
    while found >= 0:
        if found + _END.size <= len(tail):
            fields = _END.unpack_from(tail, found)
            if found + _END.size + fields[7] == len(tail):
                break
        found = tail.rfind(b"PK\x05\x06", 0, found)
    if found < 0:
        raise _damaged("it has no directory: it is cut off, or something follows its end")
    _, disk, directory_disk, here, total, size, offset, _ = fields
    if _ELSEWHERE in (size, offset) or total == 0xFFFF or tail[max(0, found - 20) :][:4] == b"PK\x06\x07":
        raise ArchiveRefused(
            Rule.unsupported, "zip64 is not read here: no archive within the limits needs it"
        )
    if disk or directory_disk or here != total or offset + size != tail_at + found:
        raise _damaged("its directory is not where it says")
    if total > budget.limits.headers or size > budget.limits.headers * _PER_HEADER:
        raise ArchiveRefused(Rule.too_many_files, f"it lists {total} members in {size} bytes")
    file.seek(offset)
    return offset, file.read(size)


def _listed(directory: bytes, budget: Budget) -> Iterator[_Listed]:
    at = 0
    while at < len(directory):
        budget.header()
        if directory[at : at + 4] != b"PK\x01\x02" or at + _CENTRAL.size > len(directory):
            raise _damaged("its directory is not readable")
        fields = _CENTRAL.unpack_from(directory, at)
        name_at = at + _CENTRAL.size
        name_length, extra_length, comment_length = fields[12:15]
        raw_name = directory[name_at : name_at + name_length]
        at = name_at + name_length + extra_length + comment_length
        if at > len(directory):
            raise _damaged("its directory is cut off")
        member = _Listed(
            raw_name=raw_name,
            name=decoded(raw_name),
            flags=fields[5],
            method=fields[6],
            checksum=fields[9],
            packed=fields[10],
            size=fields[11],
            mode=fields[17] >> 16,
            offset=fields[18],
        )
        _check(member)
        yield member


def _check(member: _Listed) -> None:
    if member.flags & _ENCRYPTED:
        raise ArchiveRefused(Rule.encrypted, "it is encrypted", member=member.name)
    if member.method not in (_STORED, _DEFLATED) or member.flags & _PATCH:
        message = f"its compression method {member.method} is not read here: use deflate"
        raise ArchiveRefused(Rule.unsupported, message, member=member.name)
    if _ELSEWHERE in (member.packed, member.size, member.offset):
        raise ArchiveRefused(Rule.unsupported, "zip64 is not read here", member=member.name)
    if member.method == _STORED and member.packed != member.size:
        raise ArchiveRefused(Rule.damaged, "it is stored, and has two sizes", member=member.name)
    check_kind(member.name, member.mode)


def _content_at(file: BinaryIO, member: _Listed) -> int:
    """Where a member's content begins, by its own header, which must be of the same member."""
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise ArchiveRefused(Rule.damaged, "it has no header", member=member.name)
    _, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(header)
    if flags & _ENCRYPTED:
        raise ArchiveRefused(Rule.encrypted, "it is encrypted", member=member.name)
    if method != member.method or file.read(name_length) != member.raw_name:
        raise ArchiveRefused(Rule.damaged, "its header and the directory disagree", member=member.name)
    return int(member.offset + _LOCAL.size + name_length + extra_length)


def _content(file: BinaryIO, member: _Listed, start: int) -> Iterator[bytes]:
    file.seek(start)
    size, checksum = 0, 0
    for chunk in _stored(file, member) if member.method == _STORED else _inflated(file, member):
        size += len(chunk)
        checksum = zlib.crc32(chunk, checksum)
        if size > member.size:
            raise ArchiveRefused(Rule.damaged, "it is longer than it says", member=member.name)
        yield chunk
    if size != member.size or checksum != member.checksum:
        raise ArchiveRefused(Rule.damaged, "it is not what its checksum says", member=member.name)


def _stored(file: BinaryIO, member: _Listed) -> Iterator[bytes]:
    left = member.packed
    while left:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise ArchiveRefused(Rule.damaged, "it is cut off", member=member.name)
        left -= len(chunk)
        yield chunk


def _inflated(file: BinaryIO, member: _Listed) -> Iterator[bytes]:
    inflate = Inflate(-15)
    packed = _stored(file, member)
    while not inflate.eof:
        data = next(packed, b"") if inflate.needs_input else b""
        cut_off = inflate.needs_input and not data
        try:
            chunk = inflate.decompress(data, CHUNK)
        except zlib.error as error:
            raise ArchiveRefused(
                Rule.damaged, f"it does not inflate ({error})", member=member.name
            ) from error
        if chunk:
            yield chunk
        elif cut_off and not inflate.eof:
            raise ArchiveRefused(Rule.damaged, "it is cut off", member=member.name)
    if inflate.unused_data or next(packed, None):
        raise ArchiveRefused(Rule.damaged, "something follows its content", member=member.name)


def _damaged(message: str) -> ArchiveRefused:
    return ArchiveRefused(Rule.damaged, message)
