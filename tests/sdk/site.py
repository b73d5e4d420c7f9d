"""A gateway as a process of its own, for the client and the command line to talk to; the tests themselves play the worker."""

import hashlib
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import PATIENCE, answers, stop, wait_for

TILTYARD = str(Path(sys.executable).parent / "tiltyard")
USER_TOKEN = "ty_for-the-tests-of-the-sdk"
WORKER_TOKEN = "tyw_for-the-tests-of-the-sdk"
MLPROJECT = """\
name: probe
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
      label: {type: string, default: ""}
    command: "python main.py --eps {eps} --label {label}"
"""


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that names a testbed."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TILTYARD_")}


@dataclass
class Site:
    """A gateway, its address, and a home folder for the command line."""

    port: int
    home: Path
    settings: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    token: str = USER_TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the gateway, or start it again on the same port."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [TILTYARD, "gateway", "--port", str(self.port)],
                env=clean_environment() | self.settings,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: answers(self.port) or self.process is None or self.process.poll() is not None)
        if self.process.poll() is not None:
            pytest.fail(f"the gateway ended:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """Stop the gateway."""
        if self.process is not None:
            stop(self.process)
            self.process = None

    def environment(self, **more: str) -> dict[str, str]:
        """What a user's shell holds."""
        here = {"TILTYARD_URL": self.url, "TILTYARD_TOKEN": self.token, "XDG_CONFIG_HOME": str(self.home)}
        return clean_environment() | here | {"COLUMNS": "200"} | more

    def run(self, *arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, and hold it to its exit code."""
        done = subprocess.run(
            [TILTYARD, *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert done.returncode == code, f"{arguments} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def begin(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start the command line and leave it running."""
        return subprocess.Popen(
            [TILTYARD, *arguments],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def claim(self, job: str) -> "Attempt":
        """Take a job, as a worker does; those whose turn is before it are given back."""
        others: list[Attempt] = []
        with self.as_worker() as http:
            beat = {"host": "here", "queue": "cpu", "state": "busy", "fence": "none"}
            http.put("/workers/w1", json=beat).raise_for_status()
            while True:
                asked = {"worker": "w1", "token": f"tya_{secrets.token_urlsafe(32)}"}
                claim = http.post("/queues/cpu/claim", json=asked).raise_for_status().json()
                taken = Attempt(site=self, job=claim["job"], epoch=claim["epoch"], token=claim["token"])
                if taken.job == job:
                    break
                others.append(taken)
        for other in others:
            other.release()
        return taken

    def as_worker(self, token: str = WORKER_TOKEN) -> httpx.Client:
        """Plain HTTP with a worker's or an attempt's token."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )


@dataclass
class Attempt:
    """A claimed job, and what its supervisor says of it."""

    site: Site
    job: str
    epoch: int
    token: str
    sent: int = 0

    def print(self, *texts: str, stream: str = "stdout") -> None:
        """Report printed text."""
        self.report(*({"kind": "log", "data": {"stream": stream, "text": text}} for text in texts))

    def report(self, *events: dict[str, Any]) -> None:
        """Report events."""
        self._post("report", {"first": self.sent, "events": [{"at": _now(), **event} for event in events]})
        self.sent += len(events)

    def finish(self, state: str = "succeeded", **how: Any) -> None:
        """End the job."""
        self._post("finish", {"first": self.sent, "events": [], "state": state, **how})

    def release(self) -> None:
        """Hand the job back."""
        self._post("release", {})

    def keep(self, path: str, content: bytes) -> None:
        """Store an artifact."""
        headers = {"X-Content-SHA256": hashlib.sha256(content).hexdigest(), "Content-Type": "text/plain"}
        with self.site.as_worker(self.token) as http:
            address = f"/attempts/{self.job}/{self.epoch}/artifacts/{path}"
            http.put(address, content=content, headers=headers).raise_for_status()

    def _post(self, verb: str, body: dict[str, Any]) -> None:
        with self.site.as_worker(self.token) as http:
            http.post(f"/attempts/{self.job}/{self.epoch}/{verb}", json=body).raise_for_status()


def _now() -> str:
    return datetime.now(UTC).isoformat()
