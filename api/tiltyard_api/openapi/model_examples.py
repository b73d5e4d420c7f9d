"""Examples of what is sent and comes back of artifacts that callers add and link to, and of models."""

from typing import Any

DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8a"
JOB_ID, JOB_RUN = "3f2a9c0d5b7e4a1f8c66", "0b9f5f4c2ad64b0c8d2f5c2f3a1e7d60"
CREATED, FINISHED = "2026-01-31T12:00:00Z", "2026-01-31T12:00:42Z"

ADDED = {
    "path": "notes/curve.png", "size": 20480, "sha256": DIGEST, "media_type": "image/png", "attempt": 0,
    "created_at": FINISHED,
}  # fmt: skip
MODEL = {
    "name": "digits", "description": "Small networks for the digits", "tags": {"team": "blue"},
    "aliases": {"champion": "3"}, "latest": "4", "created_at": CREATED, "updated_at": FINISHED,
}  # fmt: skip
MODEL_VERSION = {
    "model": "digits", "version": "3", "description": "", "tags": {"tiltyard.job": JOB_ID}, "aliases": ["champion"],
    "source": "models:/m-2567d177191c40de8e746c103a3c2fc2", "run_id": JOB_RUN, "job": JOB_ID, "path": "model",
    "sha256": DIGEST, "size": 20480, "files": 5, "flavors": ["python_function", "sklearn"],
    "signature": {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 64]}}]},
    "metrics": {"accuracy": 0.96}, "state": "READY", "created_at": FINISHED, "updated_at": FINISHED,
}  # fmt: skip
VERSION_DRAFT = {
    "job": JOB_ID, "path": "model", "description": "", "tags": {"team": "blue"}, "aliases": ["champion"],
}  # fmt: skip

REQUESTS: dict[str, Any] = {
    "create_artifact_link": {"path": "curve.png", "seconds": 600},
    "create_model": {
        "name": "digits",
        "description": "Small networks for the digits",
        "tags": {"team": "blue"},
    },
    "update_model": {"description": "Networks for the digits", "tags": {"team": None}},
    "create_model_version": VERSION_DRAFT,
    "update_model_version": {"tags": {"reviewed": "yes"}},
    "put_model_alias": {"version": "3"},
}
ANSWERS: dict[str, Any] = {
    "upload_artifact": ADDED,
    "create_artifact_link": {
        "url": f"http://127.0.0.1:8420/links/{JOB_ID}/curve.png?until=1769860842&signature={DIGEST}",
        "expires_at": "2026-01-31T12:10:42Z",
    },
    "create_model": MODEL | {"aliases": {}, "latest": None},
    "list_models": {"items": [MODEL], "next": None},
    "get_model": MODEL,
    "update_model": MODEL,
    "put_model_alias": MODEL,
    "create_model_version": MODEL_VERSION,
    "list_model_versions": {
        "items": [MODEL_VERSION | {"size": None, "files": None, "flavors": [], "signature": None}],
        "next": None,
    },
    "get_model_version": MODEL_VERSION,
    "update_model_version": MODEL_VERSION,
}
