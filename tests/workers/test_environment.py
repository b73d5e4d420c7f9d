"""What a worker says that its jobs run in."""

import os
import stat
from pathlib import Path

import pytest

from tiltyard.canonical import digest_of
from tiltyard.wire import Worker, WorkerHeartbeat
from tiltyard_workers.environment import environment, gpus
from tiltyard_workers.gateway import Gateway
from tiltyard_workers.presence import Presence


class Forgetful(Gateway):
    """A gateway that forgets its workers when it is told to."""

    def __init__(self) -> None:
        self.heard: list[WorkerHeartbeat] = []
        self.knows = False

    def heartbeat(self, worker: str, said: WorkerHeartbeat) -> Worker:
        self.heard.append(said)
        self.knows = self.knows or said.environment is not None
        shown = {
            "id": worker,
            "host": "h",
            "queue": "cpu",
            "image": "",
            "pid": 1,
            "state": "idle",
            "fence": "",
        }
        now = "2026-01-01T00:00:00Z"
        return Worker.model_validate(
            shown | {"started_at": now, "last_seen": now, "tell_all": not self.knows}
        )


def driver(folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def test_it_is_the_same_at_every_start() -> None:
    first, second = (environment({"numpy": "2.3.1"}, image="i", image_digest="d") for _ in range(2))
    assert digest_of(first) == digest_of(second)
    assert (first.packages, first.image, first.image_digest) == ({"numpy": "2.3.1"}, "i", "d")
    assert first.python
    assert first.platform.system
    assert first.hardware.cpus


def test_graphics_processors_are_those_that_the_driver_tells_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, 'echo "NVIDIA H200, 143771, 570.1"; echo "Odd One, [N/A], 570.1"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    first, second = gpus()
    assert (first.name, first.memory, first.driver) == ("NVIDIA H200", 143771 << 20, "570.1")
    assert second.memory is None


@pytest.mark.parametrize("script", ["exit 9", "echo", "echo ,,"])
def test_a_driver_that_fails_tells_of_none(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gpus() == []


def test_a_worker_says_once_what_is_there_and_again_when_it_was_forgotten() -> None:
    gateway = Forgetful()
    presence = Presence(gateway, queue="cpu", image="i", fence="", every=1, image_digest="sha256:1")
    presence.say()
    presence.say()
    gateway.knows = False
    presence.say()
    presence.say()
    presence.say()
    told = [one.environment is not None and bool(one.packages) for one in gateway.heard]
    assert told == [True, False, False, True, False]
    assert gateway.heard[0].environment is not None
    assert gateway.heard[0].environment.image_digest == "sha256:1"
