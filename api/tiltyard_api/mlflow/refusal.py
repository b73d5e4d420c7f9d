"""Errors as MLflow words them, so that its clients show them well: `{"error_code": ..., "message": ...}`."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from tiltyard_api.http.problems import MEDIA_TYPE, RETRY, Refused, explain
from tiltyard_orchestrator.tracking.server import TrackingAway, TrackingRefused

STATUS = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "INVALID_STATE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 413,
    "INTERNAL_ERROR": 500,
    "TEMPORARILY_UNAVAILABLE": 503,
}
_WORDS = {
    400: "INVALID_PARAMETER_VALUE",
    409: "INVALID_STATE",
    413: "RESOURCE_EXHAUSTED",
    422: "INVALID_STATE",
}


class Refusal(Exception):
    """What is not passed on to MLflow, or not yet.

    Args:
        code: one of MLflow's error codes.
        message: what its client shows.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def denied(message: str) -> Refusal:
    """The caller may not do this."""
    return Refusal("PERMISSION_DENIED", message)


def wrong(message: str) -> Refusal:
    """The request cannot be meant like this."""
    return Refusal("INVALID_PARAMETER_VALUE", message)


def answer(refusal: Refusal) -> Response:
    """The refusal as an HTTP answer. One that names no call of MLflow's is a problem like everywhere else, too."""
    said: dict[str, Any] = {"error_code": refusal.code, "message": str(refusal)}
    status = STATUS[refusal.code]
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: RETRY}.get(status)
    if refusal.code == "ENDPOINT_NOT_FOUND":
        problem = Refused(404, "not_served", str(refusal)).problem.model_dump()
        return JSONResponse(problem | said, status_code=status, media_type=MEDIA_TYPE)
    return JSONResponse(said, status_code=status, headers=headers)


def translated(error: Exception) -> Refusal:
    """What to answer for any error, in MLflow's words."""
    match error:
        case Refusal():
            return error
        case TrackingAway():
            return Refusal("TEMPORARILY_UNAVAILABLE", "MLflow is away; try again soon")
        case TrackingRefused() if error.code in STATUS:
            return Refusal(error.code, str(error))
    refused = explain(error)
    if refused.status_code in {502, 503, 504}:
        return Refusal("TEMPORARILY_UNAVAILABLE", refused.problem.detail)
    return Refusal(_WORDS.get(refused.status_code, "INTERNAL_ERROR"), refused.problem.detail)
