"""MLflow, asked over plain HTTP by the gateway: its client would cost seconds and block, and is never imported here.

What it does not answer is `TrackingAway`, which passes; what it answers with a refusal is `TrackingRefused`, which does not.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

API = "api/2.0/mlflow"
FILES = "api/2.0/mlflow-artifacts/artifacts"
PATIENCE = httpx.Timeout(10, connect=3)
FILE_PATIENCE = httpx.Timeout(60, connect=3)
AWAY = {502, 503, 504}
CHUNK = 1 << 18
Json = Mapping[str, Any]


class TrackingAway(ConnectionError):
    """MLflow cannot be reached, or is not up to answering now: asking again later helps."""


class TrackingRefused(ValueError):
    """MLflow answered with an error of its own.

    Args:
        status: the HTTP status of its answer.
        code: its `error_code`, such as `RESOURCE_DOES_NOT_EXIST`.
        message: what it said.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code


@dataclass(frozen=True, kw_only=True)
class TrackedFile:
    """A file that MLflow keeps."""

    path: str
    """Below the root of its artifacts: `EXPERIMENT/RUN/artifacts/…`."""
    size: int


class Tracking:
    """An MLflow tracking server with `--serve-artifacts`. Nothing is sent before the first question.

    Args:
        url: its address; `unix:/path` where it listens on a socket in the file system.
    """

    def __init__(self, url: str) -> None:
        scheme, _, path = url.partition(":")
        on_socket = scheme == "unix"
        self.url = "http://localhost" if on_socket else url.rstrip("/")
        self.http = httpx.AsyncClient(
            base_url=f"{self.url}/",
            timeout=PATIENCE,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(uds=path) if on_socket else None,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def get(self, call: str, params: Json | None = None) -> dict[str, Any]:
        """Ask for something, such as `runs/get`.

        Raises:
            TrackingAway: it does not answer.
            TrackingRefused: it will not.
        """
        return await self.ask("GET", call, params=params)

    async def post(self, call: str, body: Json) -> dict[str, Any]:
        """Tell something, such as `experiments/create`. Raises what `get` does."""
        return await self.ask("POST", call, body=body)

    async def ask(
        self, method: str, call: str, *, params: Json | None = None, body: Json | None = None
    ) -> dict[str, Any]:
        """Any call of the REST API below `/api/2.0/mlflow`. Raises what `get` does."""
        answer = await self._send(method, f"{API}/{call}", params=params, json=body)
        return dict(answer.json())

    async def list_files(self, folder: str) -> list[TrackedFile]:
        """All files below a folder of the artifacts, by path. Raises what `get` does."""
        found: list[TrackedFile] = []
        answer = await self._send("GET", FILES, params={"path": folder})
        for file in answer.json().get("files", []):
            path = f"{folder}/{file['path']}"
            if file.get("is_dir"):
                found += await self.list_files(path)
            else:
                found.append(TrackedFile(path=path, size=int(file.get("file_size") or 0)))
        return sorted(found, key=lambda file: file.path)

    @asynccontextmanager
    async def open_file(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a file of the artifacts, chunk by chunk, while the block lasts. Raises what `get` does."""
        try:
            async with self.http.stream("GET", f"{FILES}/{quote(path)}", timeout=FILE_PATIENCE) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _error(answer)
                yield answer.aiter_bytes(CHUNK)
        except httpx.TransportError as error:
            raise _away(error) from error

    async def put_stream(self, path: str, chunks: AsyncIterator[bytes], size: int) -> None:
        """Keep so many bytes among the artifacts, as they come. Raises what `get` does."""
        await self._send(
            "PUT",
            f"{FILES}/{quote(path)}",
            content=chunks,
            headers={"Content-Length": str(size)},
            timeout=FILE_PATIENCE,
        )

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self.http.request(method, path, **more)
        except httpx.TransportError as error:
            raise _away(error) from error
        if not answer.is_success:
            raise _error(answer)
        return answer


def _away(error: Exception) -> TrackingAway:
    return TrackingAway(str(error) or type(error).__name__)


def _error(answer: httpx.Response) -> TrackingAway | TrackingRefused:
    if answer.status_code in AWAY:
        return TrackingAway(f"MLflow answers {answer.status_code}")
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    code, message = str(said.get("error_code", answer.status_code)), str(said.get("message", ""))
    return TrackingRefused(answer.status_code, code, message)
