import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tiltyard_workers.prefect.door import Door
from tiltyard_workers.prefect.gate import key_of
from tiltyard_workers.supervisor.environment import NO_EVENTS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ran:
    """How a run went."""

    code: int
    events: list[dict[str, Any]]
    printed: str
    folder: Path

    def steps(self, name: str) -> list[str]:
        """What was told of a step."""
        return [
            one["data"]["status"]
            for one in self.events
            if one["kind"] == "step" and one["data"]["name"] == name
        ]

    def said(self, name: str, status: str) -> str:
        """Why a step has this status."""
        [found] = [
            one["data"].get("message", "")
            for one in self.events
            if one["kind"] == "step" and (one["data"]["name"], one["data"]["status"]) == (name, status)
        ]
        return found

    @property
    def artifacts(self) -> list[str]:
        """The artifacts, in the order in which they were told."""
        return [one["data"]["path"] for one in self.events if one["kind"] == "artifact"]

    @property
    def end(self) -> dict[str, Any]:
        """The last event."""
        return self.events[-1]["data"]


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, door: Door) -> Run:
    """Runs a graph as `tiltyard run` does, in a process of its own."""

    def run_text(text: str, *words: str) -> Ran:
        graph = tmp_path / "graph.yaml"
        graph.write_text(text)
        command = [
            sys.executable,
            "-m",
            "tiltyard.cli",
            "run",
            str(graph),
            "--plugin",
            str(HERE / "mine"),
            "--json",
        ]
        given = [part for word in words for part in ("-P", word)]
        done = subprocess.run(
            [*command, *given],
            env={
                **os.environ,
                "PREFECT_API_URL": door.url,
                "PREFECT_API_AUTH_STRING": key_of(door._gate.secret, "tests.1"),
                **NO_EVENTS,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        printed = "".join(one["data"]["text"] for one in events if one.get("kind") == "log")
        return Ran(done.returncode, events, printed + done.stderr, tmp_path)

    return run_text
