"""How much an archive may hold, in one place, and the count of what was read of one."""

from dataclasses import dataclass

from tiltyard.archive.refused import ArchiveRefused, Rule

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one reading; tests use small ones."""

    packed_bytes: int = 512 * MIB
    unpacked_bytes: int = 2 * 1024 * MIB
    files: int = 10_000
    """Regular files; as many directories again."""
    depth: int = 16
    """Parts of a member's name."""
    name_bytes: int = 255
    """Of one part of a name: what a file system takes."""
    ratio: int = 200
    """Unpacked to packed bytes."""
    ratio_from: int = 16 * MIB
    """Unpacked bytes from which the ratio counts: a small text of one letter packs better than any bomb."""
    document_bytes: int = 64 * 1024
    """Of an MLproject."""

    @property
    def headers(self) -> int:
        """Members of any kind, those that only describe others included."""
        return 4 * self.files + 100

    @property
    def stream_bytes(self) -> int:
        """Of a whole tar: its members, with a generous share for headers and padding."""
        return self.unpacked_bytes + self.headers * 4096 + MIB


LIMITS = Limits()


class Budget:
    """Counts the bytes that come out of an archive, and refuses the one that is too many."""

    def __init__(self, packed: int, limits: Limits) -> None:
        if packed > limits.packed_bytes:
            raise ArchiveRefused(Rule.too_large, f"it is {packed} bytes; the limit is {limits.packed_bytes}")
        self.limits = limits
        self._most_by_ratio = max(limits.ratio_from, packed * limits.ratio)
        self._unpacked = 0
        self._streamed = 0
        self._headers = 0

    def header(self) -> None:
        """Count a header."""
        self._headers += 1
        if self._headers > self.limits.headers:
            raise ArchiveRefused(Rule.too_many_files, f"it has more than {self.limits.headers} members")

    def announced(self, member: str, size: int) -> None:
        """Refuse a member that would not fit, before reading it."""
        if self._unpacked + size > self.limits.unpacked_bytes:
            raise self._too_large(member)

    def unpacked(self, member: str, size: int) -> None:
        """Count bytes of a member's content."""
        self._unpacked += size
        if self._unpacked > self.limits.unpacked_bytes:
            raise self._too_large(member)
        self._check_ratio(self._unpacked)

    def streamed(self, size: int) -> None:
        """Count bytes that a decompressor gave."""
        self._streamed += size
        if self._streamed > self.limits.stream_bytes:
            raise self._too_large(None)
        self._check_ratio(self._streamed)

    def _check_ratio(self, size: int) -> None:
        if size > self._most_by_ratio:
            message = f"it unpacks to more than {self.limits.ratio} times its size"
            raise ArchiveRefused(Rule.ratio, message)

    def _too_large(self, member: str | None) -> ArchiveRefused:
        message = f"it unpacks to more than {self.limits.unpacked_bytes} bytes"
        return ArchiveRefused(Rule.too_large, message, member=member)
