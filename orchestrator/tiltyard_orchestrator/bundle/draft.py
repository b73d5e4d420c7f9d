"""A bundle in the making, and one that is ready to be sent: behind an index that says what comes, as a stream."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import IO

from tiltyard.canonical import canonical
from tiltyard.wire.bundles import BundleEntry, BundleIndex
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.artifacts.store import Missing, Store
from tiltyard_orchestrator.bundle.framing import END, framed, header, opening, padding
from tiltyard_orchestrator.bundle.judging import blob_of


@dataclass(kw_only=True)
class Draft:
    """A bundle in the making."""

    store: Store
    words: IO[bytes]
    """What is not in the store."""
    entries: list[BundleEntry] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Where `words` has an entry."""
    keys: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Where the store has one, and how many bytes."""
    archives: dict[str, None] = field(default_factory=dict)
    plugins: dict[tuple[str, str, str], PluginPin] = field(default_factory=dict)
    environments: dict[str, None] = field(default_factory=dict)

    def keep(self, key: str, sha256: str, size: int) -> None:
        """Have bytes of the store in the bundle, once however often they are named."""
        name = blob_of(sha256)
        if name not in self.keys:
            self.keys[name] = key, size
            self.entries.append(BundleEntry(name=name, size=size, sha256=sha256))

    def write(self, name: str, lines: Iterable[bytes]) -> None:
        """Begin an entry of our own words, or go on with the one that was begun last."""
        if name not in self.places:
            self.places[name] = self.words.seek(0, 2)
        self.words.writelines(lines)

    def close(self, name: str) -> None:
        """End the entry that was begun last."""
        start = self.places[name]
        size = self.words.tell() - start
        self.words.seek(start)
        digest = hashlib.sha256()
        while piece := self.words.read(1 << 20):
            digest.update(piece)
        self.entries.append(BundleEntry(name=name, size=size, sha256=digest.hexdigest()))


@dataclass(frozen=True, kw_only=True)
class Written:
    """A bundle that is ready to be sent."""

    index: BundleIndex
    digest: str
    size: int
    head: bytes
    draft: Draft

    async def stream(self) -> AsyncIterator[bytes]:
        """Its bytes.

        Raises:
            Missing: the store has lost some, or has others.
        """
        yield self.head
        for entry in self.index.entries:
            yield header(entry.name, entry.size)
            async for piece in self._content(entry):
                yield piece
            yield padding(entry.size)
        yield END

    async def _content(self, entry: BundleEntry) -> AsyncIterator[bytes]:
        kept = self.draft.keys.get(entry.name)
        if kept is None:
            self.draft.words.seek(self.draft.places[entry.name])
            left = entry.size
            while left > 0 and (piece := self.draft.words.read(min(1 << 20, left))):
                left -= len(piece)
                yield piece
            return
        digest = hashlib.sha256()
        async for piece in self.draft.store.read(kept[0], length=entry.size):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != entry.sha256:
            raise Missing(kept[0])


def ready(index: BundleIndex, draft: Draft) -> Written:
    """The bundle that an index and what it names come to."""
    plain = canonical(index)
    head = opening(plain)
    size = len(head) + sum(framed(entry.size) for entry in index.entries) + len(END)
    return Written(index=index, digest=hashlib.sha256(plain).hexdigest(), size=size, head=head, draft=draft)
