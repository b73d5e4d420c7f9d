"""Where archives and artifacts are kept: one small seam, a folder behind it on a laptop and S3 on a site.

What is put there is a complete local file whose digest was checked; it appears whole or not at all. Keys are ours, made of
ids, epochs and paths; a store never lists or interprets them.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 20


class StoreFull(OSError):
    """The store has no room left."""


class Missing(LookupError):
    """The store has nothing under this key."""


class Store(Protocol):
    """Keeps bytes under keys."""

    async def ready(self) -> bool:
        """Whether the store can be used now."""
        ...

    async def put(self, key: str, source: Path) -> None:
        """Keep a local file's bytes; what was under the key is replaced.

        Raises:
            StoreFull: there is no room.
        """
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes are under a key; None when there are none."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes under a key, in chunks.

        Raises:
            Missing: there are none.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forget a key; one that is not there is forgotten already."""
        ...
