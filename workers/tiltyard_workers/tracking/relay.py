"""Stands between a job and MLflow, so that MLflow being slow or away changes no job's outcome.

A job's `MLFLOW_TRACKING_URI` is this relay, on loopback. While MLflow answers, requests pass through. While it does not,
what the script writes to its own run is answered here and kept in a journal, its files in a folder; when MLflow is back,
both are told to it in order. Which experiment is meant is answered with the job's own. Other questions that only MLflow can
answer get its own kind of error.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tiltyard_workers.tracking.door import Answer, Door, spool
from tiltyard_workers.tracking.journal import Entry, Journal
from tiltyard_workers.tracking.server import FILE_PATIENCE, PATIENCE, TrackingServer

AWAY_SECONDS = 5.0
"""How long MLflow is not asked again after it did not answer: a script that logs in a loop must not wait each time."""
LONGEST_AWAY_SECONDS = 60.0
"""It doubles up to this each time that MLflow did not answer again."""
LONGEST_MESSAGE = 4 << 20
"""What is longer is a file, and is neither read into memory nor kept as a message."""
MOST_FILE_BYTES = 8 << 30
"""Of all files that are kept while MLflow is away."""
_RUN_WRITES = re.compile(
    r"^/api/2\.\d/mlflow/runs/(log-metric|log-batch|log-parameter|set-tag|delete-tag|update|log-model|log-inputs|outputs)$"
)
_FILE = re.compile(r"^/api/2\.0/mlflow-artifacts/artifacts/(?P<path>.+)$")
_EXPERIMENT = re.compile(r"^/api/2\.0/mlflow/experiments/get(-by-name)?$")
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
        self._given_at = str(run["info"]["artifact_uri"])
        self.real_id: str | None = None
        self._files_at = ""
        self._away_until = 0.0
        self._away_seconds = AWAY_SECONDS
        self._kept_bytes = 0
        self._lock = threading.Lock()
        folder.mkdir()
        self._folder = folder
        self.journal = Journal(folder / "journal.jsonl")
        self._door = Door(self.answer, folder)

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
        return self._door.url

    def start(self) -> None:
        """Begin to answer."""
        self._door.start()

    def close(self) -> None:
        """Answer no more."""
        self._door.close()

    def catch_up(self) -> bool:
        """Tell MLflow what it missed, if it answers; tells whether it has everything now."""
        with self._lock:
            return self._caught_up()

    def answer(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer:
        """Answer one request: MLflow's answer, or ours in its place."""
        if self._server is not None and time.monotonic() >= self._away_until:
            with self._lock:
                current = self._caught_up()
            if current and (passed := self._pass_on(method, target, headers, body)):
                return passed
        return self._in_its_place(method, target, body)

    def _pass_on(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer | None:
        assert self._server is not None
        sent = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        content = self._named(_message(body)) if _size(body) <= LONGEST_MESSAGE else _chunks(body)
        length = len(content) if isinstance(content, bytes) else _size(body)
        try:
            with self._server.http.stream(
                method,
                self._named(target.lstrip("/")),
                headers=sent | {"Content-Length": str(length)},
                content=content,
                timeout=FILE_PATIENCE if _FILE.match(urlsplit(target).path) else PATIENCE,
            ) as answer:
                if answer.status_code in {502, 503, 504}:
                    self._step_aside()
                    return None
                said = spool(self._folder)  # whoever sends it closes it
                for chunk in answer.iter_bytes():
                    said.write(chunk)
        except httpx.HTTPError:
            self._step_aside()
            return None
        self._away_seconds = AWAY_SECONDS
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return answer.status_code, kept, said

    def _step_aside(self) -> None:
        self._away_until = time.monotonic() + self._away_seconds
        self._away_seconds = min(self._away_seconds * 2, LONGEST_AWAY_SECONDS)

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
        url = self._named(entry.path.lstrip("/"))
        if entry.file:
            with (self.files / entry.file).open("rb") as file:
                small = _size(file) <= LONGEST_MESSAGE
                content = self._named(_message(file)) if small else _chunks(file)
                answer = self._server.http.request(entry.method, url, content=content, timeout=FILE_PATIENCE)
        else:
            headers = {"Content-Type": "application/json"}
            answer = self._server.http.request(
                entry.method, url, content=self._named(entry.body.encode()), headers=headers
            )
        if answer.status_code >= 500:
            answer.raise_for_status()

    def _named(self, text: Any) -> Any:
        """The run's real name, where the script only knows the one it was given before MLflow had named it."""
        if self.real_id is None or self.real_id == self.given_id:
            return text
        for given, real in (
            (self._given_at, self._files_at),
            (_place(self._given_at), _place(self._files_at)),
            (self.given_id, self.real_id),
        ):
            text = (
                text.replace(given.encode(), real.encode())
                if isinstance(text, bytes)
                else text.replace(given, real)
            )
        return text

    def _in_its_place(self, method: str, target: str, body: IO[bytes]) -> Answer:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path in {"/health", "/version"}:
            return 200, {}, b"OK"
        if method == "GET" and path.endswith("/runs/get") and self._is_own(query):
            return _json(200, {"run": self._run})
        if method == "GET" and _EXPERIMENT.match(path):
            return _json(200, {"experiment": self._experiment(query)})
        if method == "POST" and _RUN_WRITES.match(path) and _size(body) <= LONGEST_MESSAGE:
            message = _message(body)
            if self._is_own(_object(message)):
                with self._lock:
                    self.journal.add(Entry(method=method, path=target, body=message.decode()))
                return _json(200, {"run_info": self._run["info"]} if path.endswith("update") else {})
        if (file := _FILE.match(path)) and method == "PUT":
            return self._keep_file(unquote(file["path"]), target, body)
        return _json(
            503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "MLflow is away; the job goes on"}
        )

    def _experiment(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The job's own experiment, by whatever name a script knows it: what it records goes to the job's run anyway."""
        name = query.get("experiment_name", [str(self._run["info"]["experiment_id"])])[0]
        return {
            "experiment_id": self._run["info"]["experiment_id"],
            "name": name,
            "artifact_location": str(self._run["info"]["artifact_uri"]).rsplit("/", 2)[0],
            "lifecycle_stage": "active",
        }

    def _keep_file(self, path: str, target: str, body: IO[bytes]) -> Answer:
        name = path.partition("/artifacts/")[2] or path
        place = self.files / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            return _json(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not a path of this run"})
        with self._lock:
            self._kept_bytes += _size(body)
            if self._kept_bytes > MOST_FILE_BYTES:
                return _json(507, {"error_code": "RESOURCE_EXHAUSTED", "message": "too much to keep"})
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as out:
                body.seek(0)
                shutil.copyfileobj(body, out)
            self.journal.add(Entry(method="PUT", path=target, file=name))
        return _json(200, {})

    def _is_own(self, said: dict[str, Any]) -> bool:
        named = said.get("run_id") or said.get("run_uuid")
        return (named[0] if isinstance(named, list) else named) in {self.given_id, self.real_id}


def _size(body: IO[bytes]) -> int:
    return body.seek(0, 2)


def _message(body: IO[bytes]) -> bytes:
    body.seek(0)
    return body.read()


def _chunks(body: IO[bytes]) -> Iterator[bytes]:
    body.seek(0)
    while chunk := body.read(1 << 16):
        yield chunk


def _place(artifact_uri: str) -> str:
    return artifact_uri.removeprefix("mlflow-artifacts:/")


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _json(status: int, answer: dict[str, Any]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()
