"""Keep a file under a key that is made of its digest, whatever the store has there by now."""

import hashlib
from pathlib import Path

from tiltyard_orchestrator.artifacts.store import Missing, Store


async def keep(store: Store, key: str, source: Path, *, size: int, sha256: str) -> bool:
    """Have a local file's bytes under a key. What is there is read: what has the size need not have the content.

    Args:
        store: where.
        key: one that stands for these bytes and no others.
        source: the file, whose digest was checked.
        size: its bytes.
        sha256: its digest.

    Returns:
        Whether they had to be put there.

    Raises:
        StoreFull: there is no room.
        StoreAway: the store does not answer.
    """
    if await store.size(key) == size and await _digest(store, key) == sha256:
        return False
    await store.put(key, source)
    return True


async def _digest(store: Store, key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        async for piece in store.read(key):
            digest.update(piece)
    except Missing:  # it went a moment ago
        return None
    return digest.hexdigest()
