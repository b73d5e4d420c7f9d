"""Stands between a job and MLflow, so that MLflow being slow or away changes no job's outcome.

A job's `MLFLOW_TRACKING_URI` is this relay, on loopback. While MLflow answers, requests pass through. While it does not,
what the script writes to its own run is answered here and kept in a journal, its files in a folder; when MLflow is back,
both are told to it in order. Questions that only MLflow can answer get its own kind of error.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tiltyard_workers.tracking.journal import Entry, Journal
from tiltyard_workers.tracking.server import FILE_PATIENCE, PATIENCE, TrackingServer

AWAY_SECONDS = 5.0
"""How long MLflow is not asked again after it did not answer: a script that logs in a loop must not wait each time."""
LARGEST_BODY = 16 << 20
_RUN_WRITES = re.compile(
    r"^/api/2\.\d/mlflow/runs/(log-metric|log-batch|log-parameter|set-tag|delete-tag|update|log-model|log-inputs|outputs)$"
)
_FILE = re.compile(r"^/api/2\.0/mlflow-artifacts/artifacts/(?P<path>.+)$")
_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "host",
    "keep-alive",
    "content-encoding",
    "accept-encoding",
}


class Relay:
    """A loopback server for one attempt.

    Args:
        server: MLflow; None where this worker has none.
        folder: where the journal and files are kept.
        run: the run as MLflow would describe it: `{"info": {...}, "data": {...}}`; kept up to date by what is written.
        begin: makes the run in MLflow when it could not be made before; returns its id and where its files are.
    """

    def __init__(
        self,
        server: TrackingServer | None,
        folder: Path,
        run: dict[str, Any],
        begin: Callable[[], tuple[str, str]],
    ) -> None:
        self._server = server
        self._run = run
        self._begin = begin
        self.given_id = str(run["info"]["run_id"])
        """What the script is told that its run is called, while MLflow has not named it."""
        self.real_id: str | None = None
        self._files_at = ""
        self._away_until = 0.0
        self._lock = threading.Lock()
        folder.mkdir()
        self._folder = folder
        self.journal = Journal(folder / "journal.jsonl")
        relay = self

        class _Answering(_Handler):
            asked = relay

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )

    @property
    def files(self) -> Path:
        """Where the script's files are while MLflow does not have them."""
        return self._folder / "files"

    def move(self, folder: Path) -> None:
        """Take journal and files to another folder, when the attempt's own is about to go."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._folder = self._folder.rename(folder)
            self.journal.move(folder / "journal.jsonl")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()

    def catch_up(self) -> bool:
        """Tell MLflow what it missed, if it answers; tells whether it has everything now."""
        with self._lock:
            return self._caught_up()

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request: MLflow's answer, or ours in its place."""
        path = urlsplit(target).path
        if self._server is not None and time.monotonic() >= self._away_until:
            with self._lock:
                current = self._caught_up()
            if current and (passed := self._pass_on(method, target, headers, body)):
                return passed
        return self._in_its_place(method, path, target, body)

    def _pass_on(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes] | None:
        assert self._server is not None
        sent = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        try:
            answer = self._server.http.request(
                method,
                self._named(target.lstrip("/")),
                headers=sent,
                content=self._named(body),
                timeout=FILE_PATIENCE if _FILE.match(urlsplit(target).path) else PATIENCE,
            )
        except httpx.HTTPError:
            self._step_aside()
            return None
        if answer.status_code in {502, 503, 504}:
            self._step_aside()
            return None
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return answer.status_code, kept, answer.content

    def _step_aside(self) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS

    def _caught_up(self) -> bool:
        if self._server is None:
            return False
        try:
            if self.real_id is None:
                self.real_id, self._files_at = self._begin()
            self.journal.replay(self._tell)
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError):
            self._step_aside()
            return False
        return True

    def _tell(self, entry: Entry) -> None:
        assert self._server is not None
        content: bytes = (self.files / entry.file).read_bytes() if entry.file else entry.body.encode()
        headers = {} if entry.file else {"Content-Type": "application/json"}
        answer = self._server.http.request(
            entry.method, self._named(entry.path.lstrip("/")), content=self._named(content), headers=headers
        )
        if answer.status_code >= 500:
            answer.raise_for_status()

    def _named(self, text: Any) -> Any:
        """The run's real name, where the script only knows the one it was given before MLflow had named it."""
        if self.real_id is None or self.real_id == self.given_id:
            return text
        given_at = str(self._run["info"]["artifact_uri"])
        for given, real in (
            (given_at, self._files_at),
            (_place(given_at), _place(self._files_at)),
            (self.given_id, self.real_id),
        ):
            text = (
                text.replace(given.encode(), real.encode())
                if isinstance(text, bytes)
                else text.replace(given, real)
            )
        return text

    def _in_its_place(
        self, method: str, path: str, target: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if path in {"/health", "/version"}:
            return 200, {}, b"OK"
        if method == "GET" and path.endswith("/runs/get") and self._is_own(parse_qs(urlsplit(target).query)):
            return _json(200, {"run": self._run})
        if method == "POST" and _RUN_WRITES.match(path) and self._is_own(_object(body)):
            with self._lock:
                self.journal.add(Entry(method=method, path=target, body=body.decode()))
            return _json(200, {"run_info": self._run["info"]} if path.endswith("update") else {})
        if (file := _FILE.match(path)) and method == "PUT":
            return self._keep_file(unquote(file["path"]), target, body)
        return _json(
            503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "MLflow is away; the job goes on"}
        )

    def _keep_file(self, path: str, target: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        name = path.partition("/artifacts/")[2] or path
        place = self.files / name
        if ".." in Path(name).parts or Path(name).is_absolute() or len(body) > LARGEST_BODY * 64:
            return _json(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not a path of this run"})
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        with self._lock:
            self.journal.add(Entry(method="PUT", path=target, file=name))
        return _json(200, {})

    def _is_own(self, said: dict[str, Any]) -> bool:
        named = said.get("run_id") or said.get("run_uuid")
        return (named[0] if isinstance(named, list) else named) in {self.given_id, self.real_id}


class _Handler(BaseHTTPRequestHandler):
    asked: Relay
    protocol_version = "HTTP/1.1"
    timeout = 120

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = (
            self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        )
        status, headers, content = self.asked.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls

    def _chunked(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: what a script records is its own business."""


def _place(artifact_uri: str) -> str:
    return artifact_uri.removeprefix("mlflow-artifacts:/")


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _json(status: int, answer: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()
