"""Where archives and artifacts are kept: one small seam, a folder behind it on a laptop and S3 on a site.

What is put there is a complete local file whose digest was checked; it appears whole or not at all. Keys are ours, made of
ids, epochs and paths; a store never lists or interprets them.
"""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

CHUNK = 1 << 20
LONGEST_PART = 200
LONGEST_NAME = 900


class StoreFull(OSError):
    """The store has no room left."""


class StoreAway(OSError):
    """The store does not answer, or not as it should."""


class Missing(LookupError):
    """The store has nothing under this key."""


class Store(Protocol):
    """Keeps bytes under keys."""

    async def ready(self) -> bool:
        """Whether the store can be used now."""
        ...

    async def has_room(self) -> bool:
        """Whether what is put now finds room, as far as the store can know without writing.

        Raises:
            StoreAway: the store does not answer.
        """
        ...

    async def put(self, key: str, source: Path) -> None:
        """Keep a local file's bytes; what was under the key is replaced.

        Raises:
            StoreFull: there is no room.
            StoreAway: the store does not answer.
        """
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes are under a key; None when there are none."""
        ...

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes under a key in chunks: all of them, or `length` of them from `start` on.

        Raises:
            Missing: there are none.
        """
        ...

    async def link(self, key: str, *, disposition: str, seconds: int) -> str | None:
        """An address where anybody may read a key's bytes for a while, with this `Content-Disposition`.

        None where the store gives none that callers could reach.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forget a key; one that is not there is forgotten already."""
        ...


def place(key: str) -> str:
    """A key as a name that any file system and any S3 server keeps as it is.

    Percent-quoted, no part is `..`, hidden, or too long for a file's name: what would be is replaced by its digest, marked
    with a `%` that quoting never leaves. A whole key's last part ends in `%`, so that `a` may be kept beside `a/b`.
    """
    name = "/".join(_part(part) for part in key.split("/")) + "%"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{_part(key.split('/', maxsplit=1)[0])}/%%{_digest(key)}"


def _part(part: str) -> str:
    name = quote(part, safe="").replace(".", "%2E", part.startswith("."))
    return name if name and len(name) <= LONGEST_PART else f"%%{_digest(part)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
