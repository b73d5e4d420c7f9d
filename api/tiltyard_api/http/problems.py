"""Every error answer is an RFC 9457 problem: a stable `code`, and a pointer to each thing that is wrong."""

import errno
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tiltyard.wire import Problem, ProblemItem
from tiltyard_api.http.methods import allowed
from tiltyard_api.http.pointers import problem_items
from tiltyard_orchestrator.artifacts.store import Missing, StoreAway, StoreFull
from tiltyard_orchestrator.storage.cursor import BadCursor
from tiltyard_orchestrator.storage.database import is_unavailable
from tiltyard_orchestrator.tracking.server import TrackingAway

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY = {"Retry-After": "2"}
MOST_TOLD = 1_000
"""Of the things that are wrong with one request: a body of millions of mistakes is not answered with as many."""


class Refused(HTTPException):
    """A request that is answered with a problem. FastAPI lets its own kind of exception through, so it is one."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[ProblemItem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.problem = Problem(
            title=HTTPStatus(status).phrase, status=status, detail=detail, code=code, errors=list(errors)
        )


def invalid(errors: Sequence[ProblemItem], code: str = "invalid_submission") -> Refused:
    """A request whose content is wrong in the ways that are listed; of very many, the first are told."""
    count = len(errors)
    if count > MOST_TOLD:
        detail = f"more than {MOST_TOLD:,} things are wrong; these are the first"
        return Refused(422, code, detail, errors[:MOST_TOLD])
    return Refused(422, code, errors[0].detail if count == 1 else f"{count} things are wrong", errors)


def not_found(what: str, name: str) -> Refused:
    """There is nothing of this name."""
    return Refused(404, f"no_such_{what.replace(' ', '_')}", f"there is no {what} {name!r}")


def answer(refused: Refused) -> Response:
    """The problem as an HTTP answer."""
    return JSONResponse(
        refused.problem.model_dump(),
        status_code=refused.status_code,
        media_type=MEDIA_TYPE,
        headers=dict(refused.headers) if refused.headers else None,
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of its error answers, beside those that every route has."""
    return {
        status: {"$ref": f"#/components/responses/Problem{status}"}
        for status in (400, 401, 403, 422, 503, *statuses)
    }


def install(app: FastAPI) -> None:
    """Answer the errors that routes raise as problems; what no route expects is answered at the door."""

    @app.exception_handler(BadCursor)
    async def bad_cursor(_request: Request, error: BadCursor) -> Response:
        item = ProblemItem(pointer="?cursor", code="bad_cursor", detail=str(error))
        return answer(invalid([item], "bad_cursor"))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> Response:
        return answer(_invalid_request(request, error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        if isinstance(error, Refused):
            return answer(error)
        if isinstance(error.__cause__, (RecursionError, ValueError)):
            return answer(_unread(error.__cause__))
        if error.status_code == HTTPStatus.NOT_FOUND:  # of the router: what a route does not find is Refused
            return answer(Refused(404, "not_found", _nothing_there(request)))
        code = HTTPStatus(error.status_code).name.lower()
        headers = dict(error.headers) if error.headers else None
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The router knows the methods of one route alone.
            headers = {"Allow": allowed(app, request.scope)}
            detail = f"{request.method} is not taken here; {headers['Allow']} are"
            return answer(Refused(error.status_code, code, detail, headers=headers))
        return answer(Refused(error.status_code, code, str(error.detail), headers=headers))


def _unread(cause: Exception) -> Refused:
    """A body that no JSON parser takes: too deep, a number of too many digits, bytes that are no text."""
    if isinstance(cause, RecursionError):
        return explain(cause)
    return Refused(400, "malformed_json", f"the body cannot be read as JSON: {cause}")


def _nothing_there(request: Request) -> str:
    asked = f"{request.method} {request.url.path[:200]}"
    return f"there is nothing at {asked}; an id or a name that is empty, or holds a slash, makes another address of it"


def _invalid_request(request: Request, error: RequestValidationError) -> Refused:
    items = problem_items(error, MOST_TOLD)
    if any(item.code == "json_invalid" for item in items):
        return Refused(400, "malformed_json", "the body is not JSON", items)
    if isinstance(error.body, bytes):
        said = request.headers.get("content-type") or "no content type"
        return Refused(415, "unsupported_media_type", f"send application/json; this came as {said}")
    return invalid(items, "invalid_request")


_EXPECTED: tuple[tuple[type[Exception], int, str, str | None, dict[str, str] | None], ...] = (
    (StoreFull, 507, "store_full", None, None),
    (StoreAway, 503, "store_unavailable", None, RETRY),
    (Missing, 503, "store_incomplete", "the store does not have these bytes now; try again soon", RETRY),
    (TrackingAway, 503, "mlflow_unavailable", "MLflow is away; try again soon", RETRY),
    (ClientDisconnect, 400, "body_ended_early", "the body ended before it was whole; send it again", None),
    (RecursionError, 400, "too_deep", "the body is nested too deep", None),
)
"""What may happen in any route, and its answer; the error's own words where none are given."""
_DISK_FULL = "53100"
"""PostgreSQL's code for it."""


def explain(error: Exception) -> Refused:
    """What to answer for an error that no route expected."""
    if isinstance(error, Refused):
        return error
    for kind, status, code, detail, headers in _EXPECTED:
        if isinstance(error, kind):
            # An error of the system's own kind would say its number first.
            said = detail or getattr(error, "strerror", None) or str(error)
            return Refused(status, code, said, headers=headers)
    if _is_full(error):
        return Refused(507, "store_full", "the gateway has no room left to write this; try again when it has")
    return _of_database(error) or _incident(error)


def _is_full(error: Exception) -> bool:
    # Of a file of the gateway's own: what is packed, unpacked or drawn waits there until it is whole.
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _of_database(error: Exception) -> Refused | None:
    if _state(error) == _DISK_FULL:
        detail = "the database has no room left on its disk, and wrote nothing; try again when it has"
        return Refused(503, "database_unavailable", detail, headers=RETRY)
    if is_away(error):
        return Refused(503, "database_unavailable", "the database is away; try again soon", headers=RETRY)
    state = _state(error)
    if state.startswith("22") or isinstance(getattr(error, "orig", None), OverflowError):
        return Refused(422, "unstorable_value", "a value is out of the range that can be stored")
    if state in {"40001", "40P01"}:
        return Refused(409, "changed_meanwhile", "somebody else changed it at the same moment; try again")
    return None


def is_away(error: Exception) -> bool:
    """Whether an error says that the database cannot be had now, or is too busy to answer in time."""
    # 28 and 3D: it lets us in no more, or is gone; that is for its operator to mend, and no fault of the request.
    return isinstance(error, NoFreeConnection) or is_coming(error) or _state(error)[:2] in {"28", "3D"}


def is_coming(error: Exception) -> bool:
    """Whether an error says that the database is away and may be back by itself."""
    if isinstance(error, OSError) and (error.filename is not None or _is_full(error)):
        return False  # a file's, not a connection's
    # What fails while a connection is made comes as the driver's own exception.
    return is_unavailable(error) or _state(error)[:2] in {"08", "53", "57"}


def _state(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


def _incident(error: Exception) -> Refused:
    incident = secrets.token_hex(6)
    log.error("internal_error", incident=incident, exc_info=error)
    return Refused(500, "internal_error", f"this is our fault; the gateway's log knows it as {incident}")
