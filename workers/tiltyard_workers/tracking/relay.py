"""Stands between a job and MLflow, so that MLflow being slow or away changes no job's outcome.

A job's `MLFLOW_TRACKING_URI` is this relay, on loopback. While MLflow answers, requests pass through. While it does not,
what the script writes to its own run is answered here and kept in a journal, its files in a folder; when MLflow is back,
both are told to it in order. Which experiment is meant is answered with the job's own. Other questions wait for it a while, and
then get its own kind of error.
"""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx

from tiltyard_workers.tracking.door import Answer, Door, spool
from tiltyard_workers.tracking.journal import Entry, Journal
from tiltyard_workers.tracking.messages import (
    Metrics,
    as_json,
    chunks_of,
    read_message,
    read_object,
    run_of,
    size_of,
)
from tiltyard_workers.tracking.names import Names
from tiltyard_workers.tracking.patience import Patience
from tiltyard_workers.tracking.server import FILE_PATIENCE, JOB_HEADER, PATIENCE, TrackingServer, bearer
from tiltyard_workers.tracking.stand_in import FILE, LONGEST_MESSAGE, StandIn
from tiltyard_workers.tracking.targets import address_of, is_served

AWAY_SECONDS = 5.0
"""How long MLflow is not asked again after it did not answer: a script that logs in a loop must not wait each time."""
LONGEST_AWAY_SECONDS = 60.0
"""It doubles up to this each time that MLflow did not answer again."""
_TOLD = re.compile(r"/runs/log-(metric|batch)$")
_MADE = re.compile(r"/runs/create$")
_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "host",
    "keep-alive",
    "content-encoding",
    "accept-encoding",
    "authorization",
    "cookie",
    "origin",
    "referer",
}
"""What is about the connection, or says who asks: that says the relay."""
_AWAY = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "MLflow is away; the job goes on"}

Tell = Callable[[dict[str, Any]], None]


class Relay:
    """A loopback server for one attempt.

    Args:
        server: MLflow; None where this worker has none.
        folder: where the journal and files are kept.
        run: the run as MLflow would describe it: `{"info": {...}, "data": {...}}`.
        begin: makes the run in MLflow when it could not be made before; returns its id and where its files are.
        job: the attempt's.
        token: the attempt's, with which goes what the script sends.
        tell: told each metric that the script logs to its run, or to one that it made, as an event holds it.
    """

    def __init__(
        self,
        server: TrackingServer | None,
        folder: Path,
        run: dict[str, Any],
        begin: Callable[[], tuple[str, str]],
        *,
        job: str,
        token: str,
        tell: Tell,
    ) -> None:
        self._server = server
        self._begin = begin
        self._job = job
        self._bearer = self._as_job = bearer(token)
        """What was kept goes with the attempt's token too, and once that is none with ours, in the job's name."""
        self._tell_metric = tell
        self._metrics = Metrics()
        self._patience = Patience()
        self._names = Names(run["info"])
        self._away_until = 0.0
        self._away_seconds = AWAY_SECONDS
        self._lock = threading.Lock()
        self._stand_in = StandIn(folder, run, self._names, self._lock)
        self._door = Door(self.answer, folder)

    @property
    def given_id(self) -> str:
        """What the script is told that its run is called, while MLflow has not named it."""
        return self._names.given_id

    @property
    def real_id(self) -> str | None:
        """MLflow's name for the run; None while it has none."""
        return self._names.real_id

    @property
    def journal(self) -> Journal:
        """What MLflow was not told yet."""
        return self._stand_in.journal

    @property
    def files(self) -> Path:
        """Where the script's files are while MLflow does not have them."""
        return self._stand_in.files

    def move(self, folder: Path) -> None:
        """Take journal and files to another folder, when the attempt's own is about to go."""
        self._stand_in.move(folder)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._door.url

    @property
    def key(self) -> str:
        """What opens it."""
        return self._door.key

    def start(self) -> None:
        """Begin to answer."""
        self._door.start()

    def close(self) -> None:
        """Answer no more."""
        self._patience.end()
        self._door.close()

    def catch_up(self) -> bool:
        """Tell MLflow what it missed, if it answers; tells whether it has everything now."""
        with self._lock:
            return self._caught_up()

    def answer(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer:
        """Answer one request: MLflow's answer, or ours in its place."""
        if not is_served(target):
            return as_json(
                400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "not a path of MLflow's"}
            )
        answer = self._answer(method, target, headers, body)
        if method == "POST" and answer[0] == 200:
            path = urlsplit(target).path
            if _TOLD.search(path):
                self._tell_metrics(body)
            elif _MADE.search(path):
                self._metrics.note_made(answer)
        return answer

    def _answer(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer:
        def ask() -> Answer | None:
            return self._asked(method, target, headers, body)

        answer = ask() or self._stand_in.answer(method, target, body)
        if answer is None and self._server is not None:
            answer = self._patience.wait_for(ask)
        return answer or as_json(503, _AWAY)

    def _asked(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer | None:
        if self._server is None or time.monotonic() < self._away_until:
            return None
        with self._lock:
            current = self._caught_up()
        return self._pass_on(method, target, headers, body) if current else None

    def _pass_on(self, method: str, target: str, headers: dict[str, str], body: IO[bytes]) -> Answer | None:
        assert self._server is not None
        sent = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        content = (
            self._names.put_into(read_message(body)) if size_of(body) <= LONGEST_MESSAGE else chunks_of(body)
        )
        length = len(content) if isinstance(content, bytes) else size_of(body)
        try:
            with self._server.http.stream(
                method,
                self._address(target),
                headers=sent | self._bearer | {"Content-Length": str(length)},
                content=content,
                timeout=FILE_PATIENCE if FILE.match(urlsplit(target).path) else PATIENCE,
            ) as answer:
                if answer.status_code in {502, 503, 504}:
                    self._step_aside()
                    return None
                said = spool(self._stand_in.folder)  # whoever sends it closes it
                for chunk in answer.iter_bytes():
                    said.write(chunk)
        except httpx.HTTPError:
            self._step_aside()
            return None
        self._away_seconds = AWAY_SECONDS
        self._patience.renew()
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
                self._names.learn(*self._begin())
            self.journal.replay(self._tell)
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError):
            self._step_aside()
            return False
        return True

    def _tell(self, entry: Entry) -> None:
        answer = self._told(entry)
        if answer.status_code == 401 and self._as_job is self._bearer:  # the attempt has ended
            self._as_job = {JOB_HEADER: self._job}
            answer = self._told(entry)
        if answer.status_code >= 500:
            answer.raise_for_status()

    def _told(self, entry: Entry) -> httpx.Response:
        assert self._server is not None
        ask, url = self._server.http.request, self._address(entry.path)
        if not entry.file:
            headers = self._as_job | {"Content-Type": "application/json"}
            return ask(entry.method, url, content=self._names.put_into(entry.body.encode()), headers=headers)
        with (self.files / entry.file).open("rb") as file:
            small = size_of(file) <= LONGEST_MESSAGE
            content = self._names.put_into(read_message(file)) if small else chunks_of(file)
            return ask(entry.method, url, content=content, headers=self._as_job, timeout=FILE_PATIENCE)

    def _address(self, target: str) -> httpx.URL:
        assert self._server is not None
        return address_of(self._server.http.base_url, self._names.put_into(target))

    def _tell_metrics(self, body: IO[bytes]) -> None:
        said = read_object(read_message(body)) if size_of(body) <= LONGEST_MESSAGE else {}
        if (run := run_of(said)) is None:
            return
        # That another run is one of this job's, the gateway has judged.
        other = None if self._names.are_meant(said) else run
        for metric in self._metrics.new_in(said, other):
            self._tell_metric(metric)
