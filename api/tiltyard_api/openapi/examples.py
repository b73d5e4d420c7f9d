"""One valid example of everything that is sent to the gateway or comes back from it, by operation."""

from http import HTTPStatus
from typing import Any

from tiltyard_api.openapi import model_examples, sweep_examples

DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8a"
JOB_ID = "3f2a9c0d5b7e4a1f8c66"
CREATED, STARTED, FINISHED = "2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z", "2026-01-31T12:00:42Z"

PARAMETER = {
    "name": "eps", "type": "float", "default": 0.1, "required": False, "choices": None, "items": None,
    "help": "the largest change of a pixel",
}  # fmt: skip
ENTRY_POINT = {
    "name": "main", "command": "python attack.py --eps {eps}", "parameters": [PARAMETER], "outputs": "outputs",
    "plugins": ["tiltyard_plugins"], "graph": None,
}  # fmt: skip
ARCHIVE = {
    "sha256": DIGEST, "size": 1834, "format": "tar.gz", "files": 2, "project": "", "name": "digits-fgm",
    "entry_points": [ENTRY_POINT], "uses": ["mine"], "created_at": CREATED,
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
    "host": "node-7", "queue": "cpu", "image": "tiltyard-cpu", "pid": 4711, "incarnation": "9f86d081884c7d65",
    "state": "busy", "fence": "bubblewrap", "job": JOB_ID, "versions": {"tiltyard": "0.1.0"},
}  # fmt: skip
ENVIRONMENT = {
    "image": "tiltyard-cpu", "image_digest": f"sha256:{DIGEST}", "python": "3.12.4", "implementation": "CPython",
    "platform": {"system": "Linux", "kernel": "6.8.0", "machine": "x86_64", "libc": "glibc 2.39"},
    "hardware": {
        "cpu": "AMD EPYC 9654", "cpus": 16, "memory": 137438953472,
        "gpus": [{"name": "NVIDIA H200", "memory": 150754820096, "driver": "570.86"}],
    },
    "packages": {"numpy": "2.3.1", "tiltyard": "0.1.0"},
}  # fmt: skip
PIN = {"name": "mine", "version": "1.2", "sha256": DIGEST}
WORKER = {
    "id": "node-7.4711", **{name: value for name, value in HEARTBEAT.items() if name != "incarnation"}, "order": None,
    "environment": DIGEST, "tell_all": False,
    "started_at": CREATED, "last_seen": FINISHED,
}  # fmt: skip
SUBMISSION = {
    "experiment": "digits", "archive": DIGEST, "entry_point": "main", "parameters": {"eps": 0.2}, "queue": "cpu",
    "timeout": "2h", "queue_timeout": "1d", "progress_timeout": "10m", "max_attempts": 3,
    "retry_on": ["worker_lost", "start_failed"], "priority": 5,
    "after": [{"job": "9b1d0c4e7f2a3b5c6d80", "condition": "succeeded"}], "start_at": "2026-02-01T06:00:00Z",
    "plugins": ["mine==1.2"], "description": "", "tags": ["paper"],
}  # fmt: skip
JOB = {
    "id": JOB_ID, "experiment": "digits", "archive": DIGEST, "entry_point": "main", "parameters": {"eps": 0.2},
    "queue": "cpu", "state": "succeeded", "reason": None, "message": None, "attempt": 1, "max_attempts": 3,
    "timeout": 7200, "queue_timeout": None, "progress_timeout": None, "retry_on": ["worker_lost", "start_failed"],
    "priority": 5, "after": [], "start_at": None, "parent": None, "sweep": None, "held": False, "plugins": [PIN],
    "warnings": [], "cancel_requested": False, "pending_reason": None,
    "description": "", "tags": ["paper"], "created_at": CREATED, "started_at": STARTED,
    "finished_at": FINISHED, "mlflow_run_id": "0b9f5f4c2ad64b0c8d2f5c2f3a1e7d60", "seq": 3,
}  # fmt: skip
VALIDATION = {
    "entry_point": "main", "command": "python attack.py --eps 0.2", "parameters": {"eps": 0.2}, "queue": "cpu",
    "timeout": 7200, "plugins": [PIN], "warnings": ["no worker serves the queue cpu now: the job will wait for one"],
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
    "parameters": {"eps": 0.2}, "command": "python attack.py --eps 0.2", "plugins": [PIN], "queue": "cpu", "timeout": 7200,
    "progress_timeout": None, "lease_seconds": 60, "renew_seconds": 15,
}  # fmt: skip
EXPLANATION = {
    "job": JOB_ID, "state": "queued",
    "summary": "It is queued: it waits for a free worker; 2 jobs of its queue go before it.",
    "pending": [
        {
            "code": "turn", "detail": "it waits for a free worker; 2 jobs of its queue go before it", "jobs": [],
            "until": None, "position": 3,
        }
    ],
    "attempts": [
        {
            "attempt": 1, "worker": "node-7.4711", "started_at": STARTED, "ended_at": FINISHED, "outcome": "failed",
            "reason": "worker_lost", "message": "Worker node-7.4711 was not heard of for longer than its lease",
            "exit_code": None, "signal": None,
        }
    ],
}  # fmt: skip
MANIFEST = {
    "version": 1, "digest": DIGEST, "complete": True, "job": JOB_ID, "parent": None, "archive": DIGEST,
    "entry_point": "main", "parameters": {"eps": 0.2, "seed": 7}, "command": "python attack.py --eps 0.2 --seed 7",
    "queue": "cpu", "plugins": [PIN],
    "inputs": [
        {
            "parameter": "model", "kind": "model", "reference": "model:victim/3", "job": None, "path": None,
            "model": "victim", "version": "3", "sha256": DIGEST, "size": 20480, "folder": True,
        }
    ],
    "environment": DIGEST, "ran_in": ENVIRONMENT, "seeds": [{"parameter": "seed", "value": 7, "found": "its name"}],
    "attempts": [
        {
            "attempt": 1, "worker": "node-7.4711", "started_at": STARTED, "ended_at": FINISHED, "outcome": "succeeded",
            "reason": None, "message": None, "exit_code": 0, "signal": None,
        }
    ],
    "exit": {"state": "succeeded", "reason": None, "message": None, "exit_code": 0, "signal": None},
    "metrics": {"robust_accuracy": 0.21, "loss": "NaN"},
    "outputs": [{"path": "curve.png", "size": 20480, "sha256": DIGEST, "media_type": "image/png"}],
    "tiltyard": "0.1.0", "created_at": CREATED, "started_at": STARTED, "finished_at": FINISHED,
}  # fmt: skip
EXPORTED = {
    "id": JOB_ID, "experiment": "digits", "entry_point": "main", "state": "succeeded", "reason": None,
    "created_at": CREATED, "finished_at": FINISHED, "exported_at": "2026-05-01T00:00:00Z", "events": 4, "size": 612,
    "sha256": DIGEST,
}  # fmt: skip
TASK = {
    "plugin": "mine", "version": "1.2", "name": "fgm", "module": "mine.attacks", "function": "fgm",
    "summary": "Fast gradient method: one step along the sign of the gradient.", "description": "",
    "inputs": [
        {"name": "images", "type": {"kind": "array", "words": "float32 (n, height, width), 0 to 1"}},
        {"name": "eps", "type": {"kind": "float", "words": "Linf"}, "required": False, "default": 0.1, "default_text": "0.1"},
    ],
    "outputs": [{"name": "fgm", "type": {"kind": "array"}}], "tags": ["evasion", "white-box"], "retries": 0,
    "timeout": None, "imports": ["art", "numpy"],
}  # fmt: skip
PLUGIN = {
    "name": "mine", "current": "1.2", "description": "Attacks of our own", "versions": 3, "tasks": 1,
    "created_at": CREATED, "updated_at": FINISHED,
}  # fmt: skip
PLUGIN_VERSION = {
    "plugin": "mine", "version": "1.2", "sha256": DIGEST, "size": 10240, "files": 3, "state": "ready", "current": True,
    "deprecated": None, "problem": None, "check": JOB_ID, "description": "Attacks of our own",
    "requires": ["adversarial-robustness-toolbox>=1.20"], "tasks": [TASK], "created_at": CREATED,
}  # fmt: skip
LISTING = {
    "task": TASK,
    "queues": [
        {"queue": "cpu", "available": True, "why": ""},
        {"queue": "pytorch", "available": None, "why": "no worker of it was heard of lately"},
    ],
}
CURVES = {
    "x": "eps", "y": "robust_accuracy", "by": ["attack"], "over": ["seed"],
    "x_label": "eps: the largest change of a pixel", "by_label": "attack", "y_label": "robust accuracy",
    "values": [0, 0.1], "numeric": True, "scale": "linear", "joined": True, "band": "95 % interval of the mean",
    "lines": [
        {
            "values": {"attack": "fgm"}, "label": "fgm",
            "points": [
                {"x": 0, "n": 5, "mean": 0.97, "low": 0.96, "high": 0.98},
                {"x": 0.1, "n": 4, "mean": 0.42, "low": 0.38, "high": 0.46},
            ],
        }
    ],
    "cells": 10, "missing": {"failed": 1}, "note": "1 of 10 cells missing: 1 failed",
    "axes": ["eps", "attack", "seed"], "metrics": ["clean_accuracy", "robust_accuracy"],
}  # fmt: skip
METRIC = {"name": "robust_accuracy", "value": 0.21, "step": 10, "at": FINISHED, "attempt": 1}
POSTED = {"name": "certified_accuracy", "value": 0.17, "step": 0, "at": FINISHED, "attempt": 0}
RESULT = {
    "id": JOB_ID, "state": "succeeded", "reason": None, "created_at": CREATED, "started_at": STARTED,
    "finished_at": FINISHED, "seconds": 41.0, "queue": "cpu", "entry_point": "main", "sweep": None, "tags": ["paper"],
    "parameters": {"eps": 0.2}, "metrics": {"robust_accuracy": 0.21, "loss": "NaN"},
}  # fmt: skip
CELL_RESULT = {
    "number": 4, "job": JOB_ID, "state": "succeeded", "reused": False, "values": {"eps": 0.1, "attack": "pgd"},
    "parameters": None, "metrics": {"robust_accuracy": 0.42, "loss": "NaN"},
}  # fmt: skip
REPORTED = {"at": FINISHED, "kind": "metric", "data": EVENT["data"]}
HEALTH = {
    "status": "ok", "version": "0.1.0", "database": True, "broker": True, "store": True, "store_full": False,
    "keeper": True,
}  # fmt: skip


def page(item: dict[str, Any]) -> dict[str, Any]:
    """A list that ends with its first page."""
    return {"items": [item], "next": None}


REQUESTS: dict[str, Any] = {
    "create_experiment": {"name": "digits", "description": "Fast gradient method against the digits"},
    "update_experiment": {"description": "Fast gradient method, five values of eps"},
    "create_queue": {"name": "jax", "description": "JAX on the CPU"},
    "update_queue": {"paused": True},
    "put_worker": HEARTBEAT
    | {
        "packages": {"numpy": "2.3.1"},
        "modules": ["art", "numpy"],
        "environment": ENVIRONMENT,
    },
    "update_plugin_version": {"deprecated": "its eps was taken for a fraction of 255; use 1.2"},
    "submit_job": SUBMISSION,
    "validate_job": SUBMISSION,
    "cancel_jobs": {"states": ["queued"], "experiment": "digits", "dry_run": True},
    "clone_job": {"parameters": {"eps": 0.3}, "priority": 7},
    "create_metrics": [
        {"name": "certified_accuracy", "value": 0.17},
        {"name": "loss", "value": "NaN", "step": 3},
    ],
    "prune_jobs": {"older_than": "90d", "dry_run": True},
    "claim_job": {"worker": "node-7.4711", "token": "tya_3q2-7wAAAAB_c29tZSByYW5kb20gYnl0ZXMgaGVyZQ"},
    "report_attempt": {"first": 0, "events": [REPORTED], "mlflow_run_id": JOB["mlflow_run_id"]},
    "finish_attempt": {"first": 1, "events": [], "state": "succeeded", "exit_code": 0},
}
ANSWERS: dict[str, Any] = {
    "get_health": HEALTH,
    "upload_archive": ARCHIVE,
    "get_archive": ARCHIVE,
    "upload_plugin": PLUGIN_VERSION | {"state": "checking", "current": False},
    "list_plugins": page(PLUGIN),
    "get_plugin": PLUGIN,
    "list_plugin_versions": page(PLUGIN_VERSION | {"tasks": []}),
    "get_plugin_version": PLUGIN_VERSION,
    "activate_plugin": PLUGIN_VERSION,
    "update_plugin_version": PLUGIN_VERSION | {
        "current": False, "deprecated": "its eps was taken for a fraction of 255; use 1.2",
    },
    "list_tasks": page(LISTING),
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
    "drain_worker": WORKER | {"order": "drain"},
    "stop_worker": WORKER | {"order": "stop"},
    "rejoin_worker": WORKER,
    "submit_job": JOB | {
        "state": "queued", "attempt": 0, "started_at": None, "finished_at": None, "mlflow_run_id": None, "seq": 0,
    },
    "validate_job": VALIDATION,
    "list_jobs": page(JOB),
    "get_job": JOB,
    "cancel_job": JOB | {"state": "cancelled", "reason": "cancel_requested"},
    "cancel_jobs": {"matched": 12, "cancelled": 10, "asked": 2},
    "retry_job": JOB | {"state": "queued", "attempt": 0, "parent": JOB_ID, "seq": 0},
    "get_manifest": MANIFEST,
    "upload_bundle": {
        "bundle": DIGEST, "experiment": "digits", "imported": 60, "skipped": 0, "left_out": 2, "archives": 1,
        "plugins": [PIN], "plugins_left": [], "sweeps": 0,
    },
    "replay_job": JOB | {"state": "queued", "attempt": 0, "parent": JOB_ID, "seq": 0},
    "clone_job": JOB | {"state": "queued", "attempt": 0, "parent": JOB_ID, "seq": 0},
    "explain_job": EXPLANATION,
    "list_exported_jobs": page(EXPORTED),
    "get_exported_job": EXPORTED,
    "prune_jobs": {"matched": 120, "exported": 120},
    "list_job_events": {
        "events": [EVENT, FINAL],
        "end": {"job": JOB_ID, "kind": "end", "state": "succeeded", "seq": 3},
        "seq": 3,
    },
    "get_sweep_curves": CURVES,
    "get_experiment_curves": CURVES,
    "list_sweep_results": page(CELL_RESULT),
    "create_ticket": {"ticket": "tyt_…", "expires_in": 30},
    "list_artifacts": page(ARTIFACT),
    "claim_job": CLAIM,
    "report_attempt": {"cancel": False, "lease_seconds": 60},
    "finish_attempt": {"state": "succeeded"},
    "put_attempt_artifact": ARTIFACT,
    "list_metrics": page(METRIC),
    "get_metric_history": {
        "job": JOB_ID, "name": "robust_accuracy", "complete": True, "source": "events", "next": None,
        "items": [METRIC | {"value": "NaN", "step": 9}, METRIC],
    },
    "create_metrics": [POSTED],
    "list_results": page(RESULT),
}  # fmt: skip

REQUESTS |= model_examples.REQUESTS | sweep_examples.REQUESTS
ANSWERS |= model_examples.ANSWERS | sweep_examples.ANSWERS

_CODES = {
    400: ("malformed_json", "the body is not JSON"),
    401: (
        "unauthorized",
        "send `Authorization: Bearer TOKEN` with a token of this testbed that is not revoked",
    ),
    403: ("forbidden", "this is for users' tokens, and this token is a worker's"),
    404: ("no_such_job", "there is no job '3f2a'"),
    409: ("ambiguous_id", f"several jobs begin with 3f2a: {JOB_ID}, 3f2a00000000000000aa"),
    410: ("exported", f"job {JOB_ID} succeeded on 2026-01-31 and was exported"),
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
