"""One valid example of everything about sweeps that is sent to the gateway or comes back from it, by operation."""

from typing import Any

DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbd62a11ef721d1542d8a"
SWEEP_ID = "9b1d0c4e7f2a3b5c6d80"
CREATED, CHANGED = "2026-01-31T12:00:00Z", "2026-01-31T12:10:00Z"

SUBMISSION = {
    "experiment": "digits", "archive": DIGEST, "entry_point": "main", "parameters": {"attack": "pgd"},
    "axes": [
        {"parameter": "eps", "from": 0, "to": 0.3, "count": 7},
        {"parameter": "seed", "values": [0, 1, 2]},
    ],
    "mode": "grid", "max_parallel": 8, "queue": "cpu", "timeout": "30m", "description": "robustness of the digits",
    "tags": ["paper"],
}  # fmt: skip
SWEEP = {
    "id": SWEEP_ID, "experiment": "digits", "archive": DIGEST, "entry_point": "main", "queue": "cpu",
    "parameters": {"attack": "pgd"},
    "axes": [
        {"parameter": "eps", "values": [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3], "from": None, "to": None, "count": None,
         "scale": None},
        {"parameter": "seed", "values": [0, 1, 2], "from": None, "to": None, "count": None, "scale": None},
    ],
    "mode": "grid", "seed": None, "state": "running", "cells": 21,
    "jobs": {"queued": 11, "running": 2, "succeeded": 8}, "held": 5, "reused": 3, "missing": 0,
    "progress": 0.38095238095238093, "eta": 97.5, "max_parallel": 8, "description": "robustness of the digits",
    "tags": ["paper"], "warnings": [], "created_at": CREATED, "updated_at": CHANGED, "cancelled_at": None,
}  # fmt: skip
CELL = {
    "number": 4, "digest": DIGEST, "values": {"eps": 0.05, "seed": 1}, "job": "3f2a9c0d5b7e4a1f8c66", "state": "succeeded",
    "held": False, "reused": False,
}  # fmt: skip

REQUESTS: dict[str, Any] = {
    "submit_sweep": SUBMISSION,
    "validate_sweep": SUBMISSION,
    "update_sweep": {"max_parallel": 16},
    "retry_sweep": {"cancelled": True},
}
ANSWERS: dict[str, Any] = {
    "submit_sweep": SWEEP,
    "validate_sweep": {
        "cells": 21,
        "jobs": 18,
        "reused": 3,
        "axes": SWEEP["axes"],
        "seed": None,
        "warnings": [],
    },
    "list_sweeps": {"items": [SWEEP], "next": None},
    "get_sweep": SWEEP,
    "update_sweep": SWEEP | {"max_parallel": 16},
    "list_sweep_cells": {"items": [CELL], "next": None},
    "pause_sweep": SWEEP | {"state": "paused", "eta": None},
    "resume_sweep": SWEEP,
    "cancel_sweep": SWEEP
    | {"jobs": {"running": 2, "succeeded": 8, "cancelled": 11}, "cancelled_at": CHANGED},
    "retry_sweep": {"sweep": SWEEP, "made": 4, "linked": 1, "passed_over": 0, "unmet": []},
}
