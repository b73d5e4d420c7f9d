"""The door: whatever comes in passes here first, HTTP and WebSocket alike, and whatever goes wrong inside is answered here.

Nothing below `/api/` is reached without a token, whether or not its route remembered to ask for one; no body is read
before that, and none is read into memory without a limit. Every failure becomes a problem, not a traceback.
"""

import re
from contextlib import suppress

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tiltyard_api.auth import token_of, unauthorized
from tiltyard_api.http.methods import answer_head, takes
from tiltyard_api.http.problems import Refused, answer, explain
from tiltyard_api.parts import Parts, parts_of
from tiltyard_api.stream.sockets import Close, admit
from tiltyard_orchestrator.storage.access.tokens import Bearer

log = structlog.get_logger(__name__)

LARGEST_DOCUMENT = 4 << 20
"""Bytes of a body that is parsed. While it is, nobody else is answered: a few seconds, if all of it is wrong."""
LARGER_DOCUMENT = 16 << 20
"""Of an attempt's report of a flood of output, and of a sweep that lists a hundred thousand values of every axis."""
_LARGER = re.compile(r"/api/v1/(attempts/[^/]+/[^/]+/(report|finish)|sweeps(:validate)?)")
RAW = re.compile(
    r"/mlflow/.*|/api/v1/(archives|bundles|plugins|jobs/[^/]+/artifacts/.*|attempts/[^/]+/[^/]+/artifacts/.*)",
    re.DOTALL,
)
"""What is streamed to disk, under limits of its own."""
ATTEMPTS = "/api/v1/attempts/"
"""The attempt's own token opens these; their routes judge it beside the job."""


class Door:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or turn away."""
        match scope["type"]:
            case "http":
                await self._serve_request(scope, receive, send)
            case "websocket":
                await self._serve_socket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            _refuse_nul(scope)
            if scope["path"].startswith("/api/"):
                scope["tiltyard.bearer"] = await _identify(HTTPConnection(scope))
            if not RAW.fullmatch(scope["path"]):
                receive = _limited(scope, receive)
            if scope["method"] == "HEAD" and not takes(scope["app"], scope, "HEAD"):
                await answer_head(self._app, scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Exception as error:
            refused = explain(error)
            if begun:  # the connection is cut, so that half an answer is not taken for a whole one
                log.warning("answer_cut_short", path=scope["path"], why=refused.problem.code)
                raise
            await answer(refused)(scope, receive, send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        said: set[str] = set()

        async def sending(message: Message) -> None:
            said.add(message["type"])
            await send(message)

        socket = WebSocket(scope, receive, sending)
        try:
            _refuse_nul(scope)
            scope["tiltyard.bearer"] = await admit(parts_of(socket), socket)
            _refuse_mlflow(scope)
            await self._app(scope, receive, sending)
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and comes back
            close = error if isinstance(error, Close) else _close_for(error)
            with suppress(Exception):
                if "websocket.accept" not in said:  # so that browsers see the code
                    await sending({"type": "websocket.accept"})
                if "websocket.close" not in said:
                    await sending({"type": "websocket.close", "code": close.code, "reason": close.reason})


def _close_for(error: Exception) -> Close:
    refused = explain(error)
    code = {500: 1011, 503: 1013}.get(refused.status_code, 4400)
    return Close(code, refused.problem.detail)


async def _identify(connection: HTTPConnection) -> Bearer | None:
    token = token_of(connection)
    if token is None:
        raise unauthorized()
    if connection.scope["path"].startswith(ATTEMPTS):
        return None
    here: Parts = parts_of(connection)
    bearer = await here.guests.identify(token)
    if bearer is None:
        raise unauthorized()
    return bearer


def _refuse_nul(scope: Scope) -> None:
    # No name that is stored here holds one, and PostgreSQL takes none.
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise Refused(400, "bad_request", "the address holds a NUL character")


def _refuse_mlflow(scope: Scope) -> None:
    # What is mounted there answers requests alone.
    if scope["path"].startswith("/mlflow/"):
        raise Close(4404, "nothing below /mlflow is a WebSocket")


def _limited(scope: Scope, receive: Receive) -> Receive:
    limit = LARGER_DOCUMENT if _LARGER.fullmatch(scope["path"]) else LARGEST_DOCUMENT
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return receiving


def _too_large(limit: int) -> Refused:
    return Refused(413, "too_large", f"the body is larger than the {limit >> 20} MiB taken here")
