"""Every error answer is an RFC 9457 problem: a stable `code`, and a pointer to each thing that is wrong."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from tiltyard.wire import Problem, ProblemItem
from tiltyard_orchestrator.artifacts.store import StoreFull
from tiltyard_orchestrator.storage.cursor import BadCursor
from tiltyard_orchestrator.storage.database import is_unavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Refused(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[ProblemItem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.problem = Problem(
            title=HTTPStatus(status).phrase, status=status, detail=detail, code=code, errors=list(errors)
        )


def invalid(errors: Sequence[ProblemItem], code: str = "invalid_submission") -> Refused:
    """A request whose content is wrong in the ways that are listed."""
    count = len(errors)
    return Refused(422, code, errors[0].detail if count == 1 else f"{count} things are wrong", errors)


def not_found(what: str, name: str) -> Refused:
    """There is nothing of this name."""
    return Refused(404, f"no_such_{what}", f"there is no {what} {name!r}")


def answer(refused: Refused) -> Response:
    """The problem as an HTTP answer."""
    return JSONResponse(
        refused.problem.model_dump(),
        status_code=refused.status,
        media_type=MEDIA_TYPE,
        headers=refused.headers,
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of its error answers."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in (401, 403, 422, 503, *statuses)
    }


def pointer(location: Sequence[int | str]) -> str:
    """Where a validation error is: a JSON pointer into the body, or `?name` for what is not in the body."""
    kind, *rest = location
    if kind == "body":
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in rest)
    return f"?{'.'.join(map(str, rest))}" if kind == "query" else "/".join(map(str, rest))


def install(app: FastAPI) -> None:
    """Answer every error of an application as a problem."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return answer(error)

    @app.exception_handler(BadCursor)
    async def bad_cursor(_request: Request, error: BadCursor) -> Response:
        item = ProblemItem(pointer="?cursor", code="bad_cursor", detail=str(error))
        return answer(invalid([item], "bad_cursor"))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_request: Request, error: RequestValidationError) -> Response:
        items = [
            ProblemItem(pointer=pointer(item["loc"]), code=item["type"], detail=_detail(item))
            for item in error.errors()
        ]
        if any(item.code == "json_invalid" for item in items):
            return answer(Refused(400, "malformed_json", "the body is not JSON", items))
        return answer(invalid(items, "invalid_request"))

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        code = HTTPStatus(error.status_code).name.lower()
        headers = dict(error.headers) if error.headers else None
        return answer(Refused(error.status_code, code, str(error.detail), headers=headers))

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> Response:
        return answer(explain(error))


def _detail(item: Any) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    return "this field is not known" if item["type"] == "extra_forbidden" else message


def explain(error: BaseException) -> Refused:
    """What to answer for an error that no route expected."""
    if is_unavailable(error):
        again = {"Retry-After": "2"}
        return Refused(503, "database_unavailable", "the database is away; try again soon", headers=again)
    if isinstance(error, StoreFull):
        return Refused(507, "store_full", str(error))
    incident = secrets.token_hex(6)
    log.error("internal_error", incident=incident, exc_info=error)
    return Refused(500, "internal_error", f"this is our fault; the gateway's log knows it as {incident}")
