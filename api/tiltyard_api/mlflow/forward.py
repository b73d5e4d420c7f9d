"""One request passed on to MLflow, and its answer passed back, both as they come.

What our callers say of themselves, tokens, cookies and where they come from, is nothing that MLflow gets to see; what MLflow
says of its own connection, and its cookies, go no further than here.
"""

from collections.abc import AsyncIterator

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tiltyard_api.mlflow.calls import Call
from tiltyard_api.mlflow.refusal import Refusal
from tiltyard_orchestrator.tracking.server import AWAY, Tracking, TrackingAway

LARGEST_FILE = 8 << 30
PATIENCE = httpx.Timeout(30, connect=3)
FILE_PATIENCE = httpx.Timeout(120, connect=3)
_ASKED = ("accept", "content-type", "range", "if-range", "if-none-match", "if-modified-since")
_SAID = {
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "location",
}
_EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
_PAGE = {
    # What a run says of itself is shown by MLflow's own code; nothing that it says is loaded from elsewhere or sent there.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-inline' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
_CONTENT = {
    # Whoever can run a job can make these bytes: in this origin they are never more than bytes.
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_ANSWER = {"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'"}


async def pass_on(
    tracking: Tracking, call: Call, request: Request, url: str, content: bytes | None
) -> Response:
    """Ask MLflow in the caller's place.

    Args:
        tracking: MLflow.
        call: what is asked.
        request: as it came.
        url: path and query, in their one spelling.
        content: the body in place of the one that came; None: that one, as it comes.

    Raises:
        TrackingAway: it does not answer.
        Refusal: the body is too large.
    """
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    headers["accept-encoding"] = "identity"
    body: bytes | AsyncIterator[bytes] | None = content
    patience = FILE_PATIENCE if call.name.endswith("file") or call.kind == "content" else PATIENCE
    if content is None and request.method in {"PUT", "POST", "PATCH"}:
        body = _limited(request)
        if length := request.headers.get("content-length"):
            headers["content-length"] = length
    asked = tracking.http.build_request(request.method, url, headers=headers, content=body, timeout=patience)
    try:
        answer = await tracking.http.send(asked, stream=True)
    except httpx.TransportError as error:
        raise TrackingAway(str(error) or type(error).__name__) from error
    if answer.status_code in AWAY:
        await answer.aclose()
        raise TrackingAway(f"MLflow answers {answer.status_code}")
    return _answer(call, answer)


def _answer(call: Call, answer: httpx.Response) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name in _SAID}
    headers |= _EVERYWHERE
    match call.kind:
        case "page":
            headers |= _PAGE
        case "content":
            headers |= _CONTENT
            if not headers.get("content-disposition", "").startswith("attachment"):
                headers["content-disposition"] = "attachment"
        case _:
            headers |= _ANSWER
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, headers, background=BackgroundTask(answer.aclose)
    )


async def _limited(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_FILE:
            raise Refusal("RESOURCE_EXHAUSTED", f"a file has {LARGEST_FILE >> 30} GiB at most")
        yield chunk
