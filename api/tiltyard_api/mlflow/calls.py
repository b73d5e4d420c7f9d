"""The calls of MLflow's REST API that are served: an allow-list, as of MLflow 3.17. What is not here does not exist.

Left out on purpose: the AI gateway and its secrets, the assistant, jobs, webhooks, users, workspaces, prompt optimisation,
OpenTelemetry, MCP, and everything that hands out addresses of the artifact store. Traces can be read and not written: a
trace says where its own files are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tiltyard_api.mlflow.refusal import Refusal

Kind = Literal["page", "content", "read", "write"]
"""A part of the UI, a file that somebody's code made, a question, or a change."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that is served."""

    name: str
    """Without prefix and version, `{}` for what varies: `POST logged-models/{}/params`."""
    kind: Kind
    keys: tuple[str, ...] = ()
    """What stands for each `{}`; of a file, its path's segments."""
    rest: bool = False
    """Whether its body is JSON that is read here before it is passed on."""


_READ = """
GET experiments/get
GET experiments/get-by-name
GET experiments/search
POST experiments/search
POST experiments/search-datasets
GET runs/get
POST runs/search
GET metrics/get-history
GET metrics/get-history-bulk
GET metrics/get-history-bulk-interval
GET artifacts/list
GET logged-models/{}
POST logged-models/search
GET logged-models/{}/artifacts/directories
GET registered-models/get
GET registered-models/search
GET registered-models/get-latest-versions
POST registered-models/get-latest-versions
GET registered-models/alias
GET model-versions/get
GET model-versions/search
GET model-versions/get-download-uri
GET traces
GET traces/{}/info
"""
_WRITE = """
POST experiments/create
POST experiments/update
POST experiments/delete
POST experiments/restore
POST experiments/set-experiment-tag
POST experiments/delete-experiment-tag
POST runs/create
POST runs/update
POST runs/delete
POST runs/restore
POST runs/log-metric
POST runs/log-batch
POST runs/log-parameter
POST runs/log-model
POST runs/log-inputs
POST runs/outputs
POST runs/set-tag
POST runs/delete-tag
POST logged-models
PATCH logged-models/{}
DELETE logged-models/{}
POST logged-models/{}/params
PATCH logged-models/{}/tags
DELETE logged-models/{}/tags/{}
POST registered-models/create
POST registered-models/rename
PATCH registered-models/update
DELETE registered-models/delete
POST registered-models/set-tag
DELETE registered-models/delete-tag
POST registered-models/alias
DELETE registered-models/alias
POST model-versions/create
PATCH model-versions/update
DELETE model-versions/delete
POST model-versions/set-tag
DELETE model-versions/delete-tag
POST model-versions/transition-stage
"""
_READ_3 = """
GET server-info
GET traces/{}
GET traces/get
GET traces/batchGet
POST traces/batchGetInfos
POST traces/search
"""


def _listed(text: str, version: str, kind: Kind) -> Iterator[tuple[str, str, list[str], Kind]]:
    for line in text.split("\n"):
        method, _, pattern = line.partition(" ")
        if pattern:
            yield version, method, pattern.split("/"), kind


_REST = [*_listed(_READ, "2.0", "read"), *_listed(_WRITE, "2.0", "write"), *_listed(_READ_3, "3.0", "read")]
_PAGES = {("version",), ("health",)}
_CONTENT = {("get-artifact",), ("model-versions", "get-artifact")}


def find_call(method: str, segments: list[str]) -> Call:
    """What a method and the segments of a path below `/mlflow/` ask for.

    Raises:
        Refusal: nothing that is served.
    """
    asks = "GET" if method == "HEAD" else method
    match segments:
        case ["api" | "ajax-api", version, "mlflow", *rest]:
            found = _find_rest(asks, version, rest)
        case ["api" | "ajax-api", "2.0", "mlflow-artifacts", "artifacts", *path]:
            found = _find_file(asks, path)
        case _:
            found = _find_page(asks, segments)
    if found is None:
        raise Refusal("ENDPOINT_NOT_FOUND", f"{method} /mlflow/{'/'.join(segments)} is not served here")
    return found


def _find_rest(method: str, version: str, rest: list[str]) -> Call | None:
    match method, version, rest:
        case "GET", "2.0", ["logged-models", model, "artifacts", "files"]:
            return Call(name="GET logged-models/{}/artifacts/files", kind="content", keys=(model,))
    for served, verb, pattern, kind in _REST:
        if served == version and verb == method and (keys := _matched(pattern, rest)) is not None:
            return Call(name=f"{verb} {'/'.join(pattern)}", kind=kind, keys=keys, rest=True)
    return None


def _matched(pattern: list[str], rest: list[str]) -> tuple[str, ...] | None:
    if len(pattern) != len(rest):
        return None
    pairs = list(zip(pattern, rest, strict=True))
    if any(part not in {"{}", given} for part, given in pairs):
        return None
    return tuple(given for part, given in pairs if part == "{}")


def _find_file(method: str, path: list[str]) -> Call | None:
    kinds: dict[str, Kind] = {"GET": "content", "PUT": "write", "DELETE": "write"}
    if not path:
        return Call(name="GET files", kind="read", rest=True) if method == "GET" else None
    if method in kinds:
        return Call(name=f"{method} file", kind=kinds[method], keys=tuple(path))
    return None


def _find_page(method: str, segments: list[str]) -> Call | None:
    if method == "POST" and segments == ["graphql"]:
        return Call(name="POST graphql", kind="read", rest=True)
    if method != "GET":
        return None
    if tuple(segments) in _CONTENT:
        return Call(name="GET artifact", kind="content")
    if not segments or (segments[0] == "static-files" and len(segments) > 1) or tuple(segments) in _PAGES:
        return Call(name="GET page", kind="page")
    return None
