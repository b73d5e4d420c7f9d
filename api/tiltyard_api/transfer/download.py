"""Sends bytes of the store: as an attachment, whole or in part, and never as a page of ours."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from tiltyard.wire import Artifact
from tiltyard_api.http.methods import HEAD_ALONE
from tiltyard_api.http.problems import Refused
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.artifacts.store import Missing

# What a job wrote may pretend to be anything: a browser saves it, and neither guesses nor runs it.
HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Accept-Ranges": "bytes",
}
BYTES: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
}
RANGES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes", "content": BYTES},
    206: {"description": "The bytes that `Range` asks for", "content": BYTES},
    416: {"$ref": "#/components/responses/Problem416"},
}
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9-]+=[A-Za-z0-9_.+-]+)*")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Bytes of the store, and what is known of them."""

    key: str
    size: int
    sha256: str
    name: str
    """What a browser saves them under."""
    media_type: str = "application/octet-stream"


def stored_artifact(artifact: Artifact, key: str) -> Stored:
    """An artifact under its own name; a media type that no header could carry is none."""
    known = _MEDIA_TYPE.fullmatch(artifact.media_type)
    return Stored(
        key=key,
        size=artifact.size,
        sha256=artifact.sha256,
        name=artifact.path.rsplit("/", 1)[-1],
        media_type=artifact.media_type if known else "application/octet-stream",
    )


async def send(here: Parts, request: Request, stored: Stored) -> Response:
    """Answer with stored bytes. A store that has lost them says so before the answer begins."""
    tag = f'"{stored.sha256}"'
    headers = HARMLESS | {"ETag": tag, "Content-Disposition": attachment(stored.name)}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if await here.store.size(stored.key) != stored.size:
        raise Missing(stored.key)
    start, length = _asked_for(request, stored, tag)
    headers["Content-Length"] = str(length)
    if length < stored.size:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{stored.size}"
    headers["Content-Type"] = stored.media_type
    status = 206 if length < stored.size else 200
    if HEAD_ALONE in request.scope:
        return Response(status_code=status, headers=headers)
    pieces = here.store.read(stored.key, start=start, length=length)
    return StreamingResponse(pieces, status_code=status, headers=headers)


def _asked_for(request: Request, stored: Stored, tag: str) -> tuple[int, int]:
    """The start and length of the part that a request asks for; one that we cannot read asks for the whole."""
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or found.groups() == ("", "") or request.headers.get("if-range", tag) != tag:
        return 0, stored.size
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, end = max(0, stored.size - int(last)), stored.size
    else:
        start, end = int(first), min(stored.size, int(last or stored.size) + 1)
    if start >= end:
        headers = {"Content-Range": f"bytes */{stored.size}"}
        raise Refused(416, "range_not_satisfiable", f"there are {stored.size} bytes", headers=headers)
    return start, end - start


def attachment(name: str) -> str:
    """A `Content-Disposition` for a name that may be hostile: RFC 6266, with RFC 8187 for what is not plain ASCII."""
    plain = re.sub(r"[^A-Za-z0-9 ._()+@=,-]", "_", name).strip(" .") or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
