"""Receives a raw body into a file while hashing it. There is no multipart parser to attack, and no body in memory."""

import asyncio
import errno
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request

from tiltyard_api.http.problems import Refused
from tiltyard_orchestrator.artifacts.store import StoreAway, StoreFull

FLUSH_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A whole body, on disk while the block lasts."""

    path: Path
    size: int
    sha256: str


def raw_body(description: str) -> dict[str, Any]:
    """What OpenAPI says of a route that takes a raw body."""
    content = {
        "application/octet-stream": {
            "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
        }
    }
    return {"requestBody": {"required": True, "description": description, "content": content}}


@asynccontextmanager
async def receive(request: Request, spool: Path, *, limit: int) -> AsyncIterator[Upload]:
    """Write a request's body to a temporary file.

    Raises:
        Refused: it is larger than `limit` bytes, or a form.
        ClientDisconnect: it ended early.
        StoreFull: there is no room for it.
        StoreAway: it cannot be written for another reason.
    """
    if request.headers.get("content-type", "").startswith("multipart/"):
        detail = "send the bytes themselves as the body (curl: --data-binary @FILE), not a form"
        raise Refused(415, "unsupported_media_type", detail)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    path = spool / f"{secrets.token_hex(8)}.upload"
    try:
        try:
            upload = await _write(request, path, limit)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFull(error.errno, "the gateway has no room left for uploads") from error
            raise StoreAway(f"the gateway cannot write uploads now: {error.strerror or error}") from error
        yield upload
    finally:
        with suppress(OSError):  # a disk that has become read-only keeps it until the gateway's end
            await asyncio.to_thread(path.unlink, missing_ok=True)


async def _write(request: Request, path: Path, limit: int) -> Upload:
    digest, size, waiting = hashlib.sha256(), 0, bytearray()
    with path.open("xb") as out:

        def flush(chunk: bytes) -> None:
            out.write(chunk)
            digest.update(chunk)

        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            waiting += chunk
            if len(waiting) >= FLUSH_BYTES:
                await asyncio.to_thread(flush, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(flush, bytes(waiting))
    return Upload(path=path, size=size, sha256=digest.hexdigest())


def too_large(limit: int) -> Refused:
    """The answer to a body that is larger than what is taken."""
    return Refused(413, "too_large", f"the body is larger than the {limit >> 20} MiB that are taken here")
