"""The OpenAPI document: 3.1, every answer typed, errors as problems, and an example of everything that is sent."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from tiltyard.wire import End, Event, Problem
from tiltyard_api.http.problems import MEDIA_TYPE
from tiltyard_api.openapi import examples

PROBLEMS = (400, 401, 403, 404, 409, 412, 413, 415, 416, 422, 426, 503, 507)
DESCRIPTION = """
Jobs of machine-learning security, run on many machines and followed live. Send `Authorization: Bearer TOKEN` with
everything but `/health`.

Errors are problems of RFC 9457: decide on `code`, and read `errors[].pointer` for each thing that is wrong.
A query parameter that is not known is refused. HEAD is answered wherever GET is, without a body.
Lists are read page by page: give `next` back as `cursor`. `GET /api/v1/jobs/{job}/events` and `GET /api/v1/events` are
WebSockets; their frames are `Event`, and `End` behind a job's last one.
"""


def install(app: FastAPI) -> None:
    """Give an application its OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    _, definitions = models_json_schema(
        [(model, "serialization") for model in (Problem, Event, End)],
        ref_template="#/components/schemas/{model}",
    )
    components = document["components"]
    components["schemas"] |= definitions["$defs"]
    components["responses"] = {f"Problem{status}": _problem(status) for status in PROBLEMS}
    components["responses"]["Problem"] = _problem(500) | {"description": "Whatever else goes wrong"}
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own 422 body is never sent
        components["schemas"].pop(name, None)
    for path, operation in _operations(document):
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        for status, response in operation["responses"].items():
            if "$ref" in response:  # FastAPI adds a body of its own to the status that a route declares
                operation["responses"][status] = {"$ref": response["$ref"]}
        if path.startswith("/api/"):
            operation["security"] = [{"token": []}]
        _add_examples(operation)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema, "example": examples.problem(status)}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _add_examples(operation: dict[str, Any]) -> None:
    sent = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if sent is not None:
        sent["example"] = examples.REQUESTS[operation["operationId"]]
    for status, response in operation["responses"].items():
        got = response.get("content", {}).get("application/json")
        if got is not None and status.startswith(("2", "5")):
            got["example"] = examples.ANSWERS[operation["operationId"]]
