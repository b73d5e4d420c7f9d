"""The OpenAPI document: 3.1, and with the schema of the problems that every route may answer."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema


def install(app: FastAPI, *, extra: Sequence[type[BaseModel]]) -> None:
    """Give an application its OpenAPI document, with the schemas of models that no route's signature names."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                openapi_version="3.1.0",
            )
            _, definitions = models_json_schema(
                [(model, "serialization") for model in extra], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"] |= definitions["$defs"]
            _forget_validation_error(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _forget_validation_error(document: dict[str, Any]) -> None:
    # FastAPI's own 422 body is never sent: ours is a problem.
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
