"""Answers a script in MLflow's place: what it writes to its own run is kept, in order, for when MLflow is back."""

import re
import shutil
import threading
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tiltyard_workers.tracking.door import Answer
from tiltyard_workers.tracking.journal import Entry, Journal
from tiltyard_workers.tracking.messages import (
    as_json,
    experiment_of,
    read_message,
    read_object,
    size_of,
    speaks_for_us,
)
from tiltyard_workers.tracking.names import Names

LONGEST_MESSAGE = 4 << 20
"""What is longer is a file, and is neither read into memory nor kept as a message."""
MOST_FILE_BYTES = 8 << 30
"""Of all files that are kept while MLflow is away."""
FILE = re.compile(r"^/api/2\.0/mlflow-artifacts/artifacts/(?P<path>.+)$")
_RUN_WRITES = re.compile(
    r"^/api/2\.\d/mlflow/runs/(log-metric|log-batch|log-parameter|set-tag|delete-tag|update|log-model|log-inputs|outputs)$"
)
_OF_A_MODEL = re.compile(r"[0-9]+/models/")
_EXPERIMENT = re.compile(r"^/api/2\.0/mlflow/experiments/get(-by-name)?$")
_NOT_YOURS = "tags that begin with 'tiltyard.' are the testbed's own"


class StandIn:
    """Keeps what one attempt's script records.

    Args:
        folder: where the journal and files are kept.
        run: the run as MLflow would describe it: `{"info": {...}, "data": {...}}`.
        names: what it is called.
        lock: held while something is kept, and by who reads what was.
    """

    def __init__(self, folder: Path, run: dict[str, Any], names: Names, lock: threading.Lock) -> None:
        folder.mkdir()
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl")
        self._run = run
        self._names = names
        self._lock = lock
        self._kept_bytes = 0

    @property
    def files(self) -> Path:
        """Where the script's files are while MLflow does not have them."""
        return self.folder / "files"

    def move(self, folder: Path) -> None:
        """Take journal and files to another folder."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self.folder = self.folder.rename(folder)
            self.journal.move(folder / "journal.jsonl")

    def answer(self, method: str, target: str, body: IO[bytes]) -> Answer | None:
        """Answer a request; None where only MLflow can."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path in {"/health", "/version"}:
            return 200, {}, b"OK"
        if method == "GET" and path.endswith("/runs/get") and self._names.are_meant(query):
            return as_json(200, {"run": self._run})
        if method == "GET" and _EXPERIMENT.match(path):
            return as_json(200, {"experiment": experiment_of(self._run["info"], query)})
        if method == "POST" and _RUN_WRITES.match(path) and size_of(body) <= LONGEST_MESSAGE:
            message = read_message(body)
            if self._names.are_meant(read_object(message)):
                return self._keep_message(Entry(method=method, path=target, body=message.decode()))
        if (file := FILE.match(path)) and method == "PUT" and not _OF_A_MODEL.match(file["path"]):
            return self._keep_file(unquote(file["path"]), target, body)
        return None

    def _keep_message(self, entry: Entry) -> Answer:
        if speaks_for_us(read_object(entry.body.encode())):
            return as_json(403, {"error_code": "PERMISSION_DENIED", "message": _NOT_YOURS})
        with self._lock:
            self.journal.add(entry)
        updates = urlsplit(entry.path).path.endswith("update")
        return as_json(200, {"run_info": self._run["info"]} if updates else {})

    def _keep_file(self, path: str, target: str, body: IO[bytes]) -> Answer:
        name = self._names.file_in(path)
        place = self.files / name
        if not name or ".." in Path(name).parts or Path(name).is_absolute():
            return as_json(
                400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not a path of this run"}
            )
        with self._lock:
            self._kept_bytes += size_of(body)
            if self._kept_bytes > MOST_FILE_BYTES:
                return as_json(507, {"error_code": "RESOURCE_EXHAUSTED", "message": "too much to keep"})
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as out:
                body.seek(0)
                shutil.copyfileobj(body, out)
            self.journal.add(Entry(method="PUT", path=target, file=name))
        return as_json(200, {})
