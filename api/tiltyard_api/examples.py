"""One valid example of everything that is sent to the gateway or comes back from it, by operation."""

from http import HTTPStatus
from typing import Any

DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8a"
JOB_ID = "3f2a9c0d5b7e4a1f8c66"
CREATED, STARTED, FINISHED = "2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z", "2026-01-31T12:00:42Z"

PARAMETER = {
    "name": "eps", "type": "float", "default": 0.1, "required": False, "choices": None, "items": None,
    "help": "the largest change of a pixel",
}  # fmt: skip
ENTRY_POINT = {
    "name": "main", "command": "python attack.py --eps {eps}", "parameters": [PARAMETER], "outputs": "outputs",
}  # fmt: skip
ARCHIVE = {
    "sha256": DIGEST, "size": 1834, "format": "tar.gz", "files": 2, "project": "", "name": "digits-fgm",
    "entry_points": [ENTRY_POINT], "created_at": CREATED,
}  # fmt: skip
EXPERIMENT = {
    "name": "digits", "description": "Fast gradient method against the digits", "jobs": {"succeeded": 5},
    "created_at": CREATED, "updated_at": CREATED,
}  # fmt: skip
QUEUE = {
    "name": "cpu", "description": "scikit-learn and attacks that need no framework", "paused": False, "queued": 3,
    "running": 1, "workers": 1, "created_at": CREATED,
}  # fmt: skip
HEARTBEAT = {
    "host": "node-7", "queue": "cpu", "image": "tiltyard-cpu", "pid": 4711, "state": "busy", "fence": "bubblewrap",
    "job": JOB_ID, "versions": {"tiltyard": "0.1.0"},
}  # fmt: skip
WORKER = {"id": "node-7.4711", **HEARTBEAT, "started_at": CREATED, "last_seen": FINISHED}
SUBMISSION = {
    "experiment": "digits", "archive": DIGEST, "entry_point": "main", "parameters": {"eps": 0.2}, "queue": "cpu",
    "timeout": "2h", "max_attempts": 3, "description": "", "tags": ["paper"],
}  # fmt: skip
JOB = {
    "id": JOB_ID, "experiment": "digits", "archive": DIGEST, "entry_point": "main", "parameters": {"eps": 0.2},
    "queue": "cpu", "state": "succeeded", "reason": None, "message": None, "attempt": 1, "max_attempts": 3,
    "timeout": 7200, "description": "", "tags": ["paper"], "created_at": CREATED, "started_at": STARTED,
    "finished_at": FINISHED, "mlflow_run_id": "0b9f5f4c2ad64b0c8d2f5c2f3a1e7d60", "seq": 3,
}  # fmt: skip
VALIDATION = {
    "entry_point": "main", "command": "python attack.py --eps 0.2", "parameters": {"eps": 0.2}, "queue": "cpu",
    "timeout": 7200, "warnings": ["no worker serves the queue cpu now: the job will wait for one"],
}  # fmt: skip
EVENT = {
    "job": JOB_ID, "seq": 2, "at": FINISHED, "kind": "metric", "attempt": 1,
    "data": {"name": "robust_accuracy", "value": 0.21, "step": 0},
}  # fmt: skip
FINAL = {
    "job": JOB_ID,
    "seq": 3,
    "at": FINISHED,
    "kind": "state",
    "attempt": 1,
    "data": {"state": "succeeded"},
}
ARTIFACT = {
    "path": "curve.png", "size": 20480, "sha256": DIGEST, "media_type": "image/png", "attempt": 1,
    "created_at": FINISHED,
}  # fmt: skip
CLAIM = {
    "job": JOB_ID, "epoch": 1, "attempt": 1, "max_attempts": 3, "token": "tya_…", "experiment": "digits",
    "mlflow_experiment_id": None, "archive": DIGEST, "archive_size": 1834, "project": "", "entry_point": ENTRY_POINT,
    "parameters": {"eps": 0.2}, "command": "python attack.py --eps 0.2", "queue": "cpu", "timeout": 7200,
    "lease_seconds": 60, "renew_seconds": 15,
}  # fmt: skip
REPORTED = {"at": FINISHED, "kind": "metric", "data": EVENT["data"]}
HEALTH = {"status": "ok", "version": "0.1.0", "database": True, "broker": True, "store": True, "keeper": True}


def page(item: dict[str, Any]) -> dict[str, Any]:
    """A list that ends with its first page."""
    return {"items": [item], "next": None}


REQUESTS: dict[str, Any] = {
    "create_experiment": {"name": "digits", "description": "Fast gradient method against the digits"},
    "update_experiment": {"description": "Fast gradient method, five values of eps"},
    "create_queue": {"name": "jax", "description": "JAX on the CPU"},
    "update_queue": {"paused": True},
    "put_worker": HEARTBEAT,
    "submit_job": SUBMISSION,
    "validate_job": SUBMISSION,
    "claim_job": {"worker": "node-7.4711", "queue": "cpu"},
    "report_attempt": {"first": 0, "events": [REPORTED], "mlflow_run_id": JOB["mlflow_run_id"]},
    "finish_attempt": {"first": 1, "events": [], "state": "succeeded", "exit_code": 0},
}
ANSWERS: dict[str, Any] = {
    "get_health": HEALTH,
    "upload_archive": ARCHIVE,
    "get_archive": ARCHIVE,
    "create_experiment": EXPERIMENT,
    "list_experiments": page(EXPERIMENT),
    "get_experiment": EXPERIMENT,
    "update_experiment": EXPERIMENT,
    "create_queue": QUEUE,
    "list_queues": page(QUEUE),
    "get_queue": QUEUE,
    "update_queue": QUEUE | {"paused": True},
    "list_workers": page(WORKER),
    "put_worker": WORKER,
    "submit_job": JOB | {
        "state": "queued", "attempt": 0, "started_at": None, "finished_at": None, "mlflow_run_id": None, "seq": 0,
    },
    "validate_job": VALIDATION,
    "list_jobs": page(JOB),
    "get_job": JOB,
    "cancel_job": JOB | {"state": "cancelled", "reason": "cancel_requested"},
    "list_job_events": {
        "events": [EVENT, FINAL],
        "end": {"job": JOB_ID, "kind": "end", "state": "succeeded", "seq": 3},
        "seq": 3,
    },
    "create_ticket": {"ticket": "tyt_…", "expires_in": 30},
    "list_artifacts": page(ARTIFACT),
    "claim_job": CLAIM,
    "report_attempt": {"cancel": False, "lease_seconds": 60},
    "finish_attempt": {"state": "succeeded"},
    "put_attempt_artifact": ARTIFACT,
}  # fmt: skip

_CODES = {
    400: ("malformed_json", "the body is not JSON"),
    401: (
        "unauthorized",
        "send `Authorization: Bearer TOKEN` with a token of this testbed that is not revoked",
    ),
    403: ("forbidden", "this is for users' tokens, and this token is a worker's"),
    404: ("no_such_job", "there is no job '3f2a'"),
    409: ("ambiguous_id", f"several jobs begin with 3f2a: {JOB_ID}, 3f2a00000000000000aa"),
    412: ("changed_since", "it was changed since you read it; read it again"),
    413: ("too_large", "the body is larger than the 512 MiB that are taken here"),
    415: ("unsupported_media_type", "send application/json; this came as text/plain"),
    416: ("range_not_satisfiable", "there are 20480 bytes"),
    422: ("invalid_submission", "the archive has no such parameter"),
    426: ("upgrade_required", "this is a WebSocket: send an Upgrade header"),
    500: ("internal_error", "this is our fault; the gateway's log knows it as 5f1c0a9be2d7"),
    503: ("database_unavailable", "the database is away; try again soon"),
    507: ("store_full", "the store has no room left"),
}


def problem(status: int) -> dict[str, Any]:
    """A problem of a status."""
    code, detail = _CODES[status]
    errors = (
        [{"pointer": "/parameters/epz", "code": "unknown_parameter", "detail": detail}]
        if status == 422
        else []
    )
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "errors": errors,
    }  # fmt: skip
