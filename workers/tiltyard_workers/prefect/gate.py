"""What a job may ask of the Prefect server that its host's jobs share: each acts on its own flow runs, and on nobody else's.

Jobs share the host's loopback, and the server knows nobody. So each attempt has a key, which Prefect's client sends with
every request; what was made with a key is changed with that key alone. Served is what flows and tasks need, and no more:
what would be everybody's (limits, variables, blocks, deployments) can be read where flows look for it, and changed by no job.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections import OrderedDict
from typing import Any

OPEN = "/api/health"
EVENTS = "/api/events/in"
MOST_KEYS = 16
"""Whose runs are remembered: a worker runs one attempt at a time."""
MOST_RUNS = 100_000
"""Of one attempt."""
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = r"(?!\.)[A-Za-z0-9_. -]+"
_MADE = {"/api/flow_runs/": "parent_task_run_id", "/api/task_runs/": "flow_run_id"}
"""What makes a run, and the run that it may name."""
_OWN = re.compile(rf"/api/(?:flow_runs|task_runs)/({_ID})(?:/[A-Za-z0-9_/-]*)?")
_SERVED = {
    "GET": re.compile(
        rf"/api/(?:admin/(?:version|storage)|csrf-token|health|hello|ready|version|flows/{_ID}|flows/name/{_NAME}"
        rf"|(?:flow_runs|task_runs)/{_ID}|artifacts/{_ID}|variables/name/{_NAME})"
    ),
    "POST": re.compile(
        r"/api/(?:flows/|(?:flows|flow_runs|task_runs|artifacts|logs|variables)/(?:filter|count)|artifacts/|logs/"
        rf"|(?:v2/)?concurrency_limits/(?:increment|decrement)(?:-with-lease)?|v2/concurrency_limits/leases/{_ID}/renew)"
    ),
}
NO_KEY = "send the job's PREFECT_API_AUTH_STRING, as Prefect's client does"
_NOT_SERVED = "is not served to jobs: the jobs of a host share this Prefect server, and each acts on its own flow runs alone"


def key_of(secret: str, attempt: str) -> str:
    """An attempt's key, in the form of `PREFECT_API_AUTH_STRING`. Who makes it need not tell the gate."""
    return f"{attempt}:{hmac.new(secret.encode(), attempt.encode(), hashlib.sha256).hexdigest()}"


class Gate:
    """Knows keys, and what was made with each."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(32)
        """With which keys are made."""
        self._runs: OrderedDict[str, set[str]] = OrderedDict()

    def who(self, authorization: str) -> str | None:
        """The attempt whose key an `Authorization` header shows, if it shows one of ours."""
        kind, _, shown = authorization.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            key = base64.b64decode(shown.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        attempt = key.rpartition(":")[0]
        good = hmac.compare_digest(key.encode(), key_of(self.secret, attempt).encode())
        return attempt if good else None

    def why_not(self, attempt: str, method: str, path: str, body: bytes) -> str | None:
        """Why a request is not passed on; None where it is."""
        if own := _OWN.fullmatch(path):
            if own[1] in self._of(attempt):
                return None
            if method != "GET":
                return f"{path} is no run of this job's"
        if method == "POST" and path in _MADE:
            return self._why_not_made(attempt, path, _read(body))
        served = _SERVED.get(method)
        return None if served and served.fullmatch(path) else f"{method} {path} {_NOT_SERVED}"

    def note(self, attempt: str, method: str, path: str, status: int, body: bytes) -> None:
        """Remember whose a run is that was just made. One that was there (200) keeps whose it was."""
        if method == "POST" and path in _MADE and status == 201:
            self._of(attempt).add(str(_read(body).get("id")))

    def _why_not_made(self, attempt: str, path: str, said: dict[str, Any]) -> str | None:
        named = said.get(_MADE[path])
        if named is not None and named not in self._of(attempt):
            return f"{_MADE[path]!r} is no run of this job's"
        full = len(self._of(attempt)) >= MOST_RUNS
        return f"a job makes {MOST_RUNS} flow and task runs at most" if full else None

    def _of(self, attempt: str) -> set[str]:
        runs = self._runs.setdefault(attempt, set())
        self._runs.move_to_end(attempt)
        while len(self._runs) > MOST_KEYS:
            self._runs.popitem(last=False)
        return runs


def plainly(path: str, body: bytes) -> bytes:
    """The body of a request that was judged by what it says, so that the server reads the same in it: no key twice."""
    return json.dumps(_read(body)).encode() if path in _MADE else body


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
