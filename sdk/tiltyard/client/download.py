"""Fetching an artifact: whole, checked and under its name at once, or not at all."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from tiltyard.archive.plain_names import plain_name
from tiltyard.client.connection import Connection
from tiltyard.client.errors import TiltyardError

_PIECE = 1024 * 1024
Progress = Callable[[int, int | None], None]
"""Is told how many bytes were carried, and how many there are where that is known."""


class Damaged(TiltyardError):
    """What arrived is not what was stored."""


async def download(
    connection: Connection,
    address: str,
    path: str,
    to: Path,
    params: Mapping[str, Any] | None = None,
    *,
    answer_within: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch an artifact into a file, or into a folder under the artifact's own name."""
    target = await asyncio.to_thread(_target, path, to)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    try:
        with draft.open("xb") as file:
            async with connection.stream(address, answer_within=answer_within, **(params or {})) as answer:
                async for piece in answer.aiter_raw(_PIECE):
                    digest.update(piece)
                    file.write(piece)
                    if progress is not None:
                        progress(file.tell(), _length(answer))
                stored = _stored_digest(answer)
        if stored not in {None, digest.hexdigest()}:
            raise Damaged(f"{path} arrived damaged; fetch it again.")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _length(answer: httpx.Response) -> int | None:
    said = answer.headers.get("Content-Length", "")
    return int(said) if said.isdigit() else None


def _stored_digest(answer: httpx.Response) -> str | None:
    """The SHA-256 that the gateway has on record: its strong ETag."""
    tag = answer.headers.get("ETag", "").strip('"')
    return tag if len(tag) == hashlib.sha256().digest_size * 2 else None


def _target(path: str, to: Path) -> Path:
    target = to / plain_name(PurePosixPath(path).name) if to.is_dir() else to
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
