"""A gateway's worker side in this process, over real HTTP and the same wire models, that does what a test tells it to."""

import hashlib
import io
import secrets
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tiltyard.wire import (
    Claim,
    ClaimRequest,
    EntryPoint,
    Finish,
    FinishAnswer,
    JobState,
    PluginPin,
    Problem,
    Report,
    Reported,
    Worker,
    WorkerHeartbeat,
    WorkerOrder,
)
from tiltyard.wire.attempts import ReportAnswer
from tiltyard.wire.model import WireModel

WORKER_TOKEN = "tyw_for-the-tests-of-the-workers"


@dataclass
class Job:
    """A job as the gateway keeps it."""

    claim: Claim
    state: str = "queued"
    events: list[Reported] = field(default_factory=list)
    reports: list[float] = field(default_factory=list)
    """When each report came."""
    finish: Finish | None = None
    artifacts: dict[str, bytes] = field(default_factory=dict)
    cancel: bool = False
    run_id: str | None = None

    def log(self, stream: str | None = None) -> str:
        """All that was printed."""
        said = [event.data for event in self.events if event.kind == "log"]
        return "".join(str(data["text"]) for data in said if stream in {None, data["stream"]})

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The data of all events of a kind."""
        return [event.data for event in self.events if event.kind == kind]


class Refusal(Exception):
    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.status, self.code = status, code


class Gateway:
    """The double. Its port stays its own while it is away."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.archives: dict[str, bytes] = {}
        self.plugins: dict[tuple[str, str], bytes] = {}
        """The packed files of each version."""
        self.workers: dict[str, list[WorkerHeartbeat]] = {}
        self.queues = {"cpu"}
        self.order: WorkerOrder | None = None
        """What every worker is told."""
        self.away = threading.Event()
        self.missed = 0
        """So many calls came while it was away."""
        self.archives_away = False
        self.refuse_events = 0
        self.collisions = 0
        """So many calls of an attempt meet another one in the database."""
        self.lose_answers = 0
        """So many answers are not sent although the call was served."""
        self._lock = threading.RLock()
        double = self

        class _Bound(_Handler):
            gateway = double

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Bound)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def submit(
        self,
        command: str,
        files: dict[str, str] | None = None,
        *,
        timeout: float | None = None,
        progress_timeout: float | None = None,
        outputs: str | None = None,
        parameters: dict[str, Any] | None = None,
        plugins: list[PluginPin] | None = None,
        tracked: bool = False,
    ) -> Job:
        """Make a job that waits to be claimed."""
        archive = tarred({"MLproject": "name: test\n", **(files or {})})
        digest = hashlib.sha256(archive).hexdigest()
        self.archives[digest] = archive
        job = secrets.token_hex(10)  # a job's socket is named after it, on a host where other tests run too
        entry = EntryPoint(name="main", command=command, parameters=[])
        claim = Claim(
            job=job, epoch=1, attempt=1, max_attempts=3, token=f"tya_{job}", experiment="tests",
            archive=digest, archive_size=len(archive), project="",
            entry_point=entry.model_copy(update={"outputs": outputs}) if outputs else entry,
            parameters=parameters or {}, command=command, queue="cpu", timeout=timeout, progress_timeout=progress_timeout,
            plugins=plugins or [], lease_seconds=4, renew_seconds=1, tracked=tracked,
        )  # fmt: skip
        self.jobs[job] = Job(claim=claim)
        return self.jobs[job]

    def push(self, name: str, version: str, files: dict[str, str]) -> PluginPin:
        """Keep a version of a plugin."""
        content = tarred(files)
        self.plugins[name, version] = content
        return PluginPin(name=name, version=version, sha256=hashlib.sha256(content).hexdigest())

    def take_over(self, job: Job) -> None:
        """What the keeper does when a lease ran out."""
        with self._lock:
            job.claim = job.claim.model_copy(update={"epoch": job.claim.epoch + 1})
            job.state = "queued"

    def serve(self, method: str, path: list[str], headers: Any, body: bytes) -> WireModel | bytes | None:
        with self._lock:
            match [method, *path]:
                case [_, "", "mlflow", *_]:
                    raise Refusal(503, "mlflow_unavailable", "MLflow is away")
                case ["PUT", "workers", name]:
                    return self._heartbeat(name, headers, WorkerHeartbeat.model_validate_json(body))
                case ["POST", "queues", queue, "claim"]:
                    return self._claim(queue, ClaimRequest.model_validate_json(body))
                case ["GET", *kept, "content"]:
                    return self._content(kept)
                case ["POST", "attempts", job, epoch, verb]:
                    return self._attempt(self._own(job, epoch, headers), verb, body)
                case ["PUT", "attempts", job, epoch, "artifacts", *name]:
                    kept = self._own(job, epoch, headers)
                    if hashlib.sha256(body).hexdigest() != headers["X-Content-SHA256"]:
                        raise Refusal(422, "digest_mismatch")
                    kept.artifacts["/".join(name)] = body
                    return None
        raise Refusal(404, "not_found")

    def _content(self, kept: list[str]) -> bytes:
        if self.archives_away:
            raise Refusal(503, "store_unavailable", "the store is away")
        match kept:
            case ["archives", digest] if digest in self.archives:
                return self.archives[digest]
            case ["plugins", name, "versions", version] if (name, version) in self.plugins:
                return self.plugins[name, version]
        raise Refusal(404, "not_found", f"there is no {' '.join(kept)}")

    def _heartbeat(self, name: str, headers: Any, said: WorkerHeartbeat) -> Worker:
        if headers["Authorization"] != f"Bearer {WORKER_TOKEN}":
            raise Refusal(401, "unauthorized", "this token is not known")
        if said.queue not in self.queues:
            raise Refusal(404, "unknown_queue", f"there is no queue {said.queue!r}; there are: cpu")
        self.workers.setdefault(name, []).append(said)
        now = "2026-01-01T00:00:00Z"
        shown = said.model_dump(exclude={"incarnation", "packages", "modules", "environment"}) | {
            "id": name,
            "order": self.order,
        }
        return Worker.model_validate(shown | {"started_at": now, "last_seen": now})

    def _claim(self, queue: str, asked: ClaimRequest) -> Claim:
        held = next((job for job in self.jobs.values() if job.claim.token == asked.token), None)
        waiting = (job for job in self.jobs.values() if job.state == "queued" and job.claim.queue == queue)
        if (job := held or next(waiting, None)) is None:
            raise Refusal(409, "nothing_to_claim", f"no job waits in the queue {queue}")
        job.state = "running"
        job.claim = job.claim.model_copy(update={"token": asked.token})
        return job.claim

    def _own(self, job: str, epoch: str, headers: Any) -> Job:
        found = self.jobs[job]
        if str(found.claim.epoch) != epoch or headers["Authorization"] != f"Bearer {found.claim.token}":
            raise Refusal(409, "attempt_superseded")
        return found

    def _attempt(self, job: Job, verb: str, body: bytes) -> WireModel | None:
        if self.collisions:
            self.collisions -= 1
            raise Refusal(409, "changed_meanwhile", "somebody else changed it at the same moment")
        if verb == "release":
            self.take_over(job)
            return None
        said: Report | Finish = (Report if verb == "report" else Finish).model_validate_json(body)
        if said.first > len(job.events):
            raise Refusal(422, "report_gap", f"{said.first} follows {len(job.events)}")
        if said.events and self.refuse_events:
            self.refuse_events -= 1
            raise Refusal(413, "too_large", "too large")
        job.events += said.events[len(job.events) - said.first :]
        job.run_id = said.mlflow_run_id or job.run_id
        if isinstance(said, Finish):
            job.finish, job.state = said, said.state
            return FinishAnswer(state=JobState(said.state))
        job.reports.append(time.monotonic())
        return ReportAnswer(cancel=job.cancel, lease_seconds=4)


class _Handler(BaseHTTPRequestHandler):
    gateway: Gateway
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.gateway.away.is_set():
            self.gateway.missed += 1
            self.close_connection = True
            return
        try:
            path = self.path.removeprefix("/api/v1/").split("/")
            answer = self.gateway.serve(self.command, path, self.headers, body)
            status = 200
        except Refusal as why:
            status = why.status
            answer = Problem(title=why.code, status=why.status, detail=str(why), code=why.code)
        if self.gateway.lose_answers > 0:
            self.gateway.lose_answers -= 1
            self.close_connection = True
            return
        content = (
            answer if isinstance(answer, bytes) else answer.model_dump_json().encode() if answer else b""
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        pass


def tarred(files: dict[str, str]) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


@contextmanager
def gateway_double() -> Iterator[Gateway]:
    gateway = Gateway()
    try:
        yield gateway
    finally:
        gateway.close()
