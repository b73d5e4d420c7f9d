"""What `tiltyard doctor` says of a machine, read as a user and as a program."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PATIENCE
from tests.workers.double import Gateway
from tiltyard_workers.fences.fence import choose_fence

TILTYARD = str(Path(sys.executable).parent / "tiltyard")


def doctor(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(home), "HOME": str(home)}
    return subprocess.run(
        [TILTYARD, "doctor", *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def checks(home: Path, **environment: str) -> dict[str, dict[str, Any]]:
    said = json.loads(doctor("--json", home=home, **environment).stdout)
    return {check["name"].strip(): check for check in said["checks"]}


def test_it_says_which_fence_holds_and_what_a_job_still_sees(tmp_path: Path) -> None:
    found = checks(tmp_path)
    assert choose_fence().name in found["fence around jobs"]["detail"]
    assert found["a job still sees"]["detail"] == choose_fence().shows
    assert found["Python"]["ok"]


def test_it_says_what_a_job_may_use_and_what_sets_it(tmp_path: Path) -> None:
    said = checks(tmp_path)["a job may use"]["detail"]
    assert "processes and threads" in said
    assert all(f"TILTYARD_JOB_{name}" in said for name in ("PROCESSES", "SCRATCH_BYTES", "SHM_BYTES"))


def test_it_says_what_a_job_may_use_of_a_worker_with_these_settings(tmp_path: Path) -> None:
    limits = {
        "TILTYARD_JOB_PROCESSES": "77",
        "TILTYARD_JOB_SCRATCH_BYTES": "3GiB",
        "TILTYARD_JOB_SHM_BYTES": "5MiB",
    }
    found = checks(tmp_path, TILTYARD_SCRATCH=str(tmp_path / "not" / "yet"), **limits)["a job may use"]
    assert found["detail"].startswith("77 processes and threads, 3.0 GiB of disk")
    wrong = checks(tmp_path, TILTYARD_JOB_PROCESSES="many")["a job may use"]
    assert not wrong["ok"]
    assert wrong["detail"].startswith("TILTYARD_JOB_PROCESSES: ")


def test_half_of_what_is_free_is_that_of_the_scratch_folder(tmp_path: Path) -> None:
    found = checks(tmp_path, TILTYARD_SCRATCH="/proc/self/scratch")["a job may use"]
    assert not found["ok"]
    assert "No space left" in found["detail"]


def test_a_testbed_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert "`tiltyard up`" in checks(tmp_path)["testbed"]["advice"]
    gone = checks(tmp_path, TILTYARD_URL="http://127.0.0.1:1", TILTYARD_TOKEN="t")["testbed"]
    assert not gone["ok"]
    assert "http://127.0.0.1:1 does not answer" in gone["detail"]


def test_a_person_reads_lines_with_marks(tmp_path: Path) -> None:
    said = doctor(home=tmp_path)
    assert said.returncode == 0, said.stderr
    assert all(line[0] in "✓✗- A" for line in said.stdout.splitlines())
    assert "A testbed can run here." in said.stdout


def test_something_else_on_the_gateway_s_port_is_no_testbed(tmp_path: Path, gateway: Gateway) -> None:
    found = checks(tmp_path, TILTYARD_URL=gateway.url, TILTYARD_TOKEN="t")["testbed"]
    assert not found["ok"]


def test_it_needs_no_more_than_the_base_install(tmp_path: Path) -> None:
    blocked = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"celery", "kombu", "structlog", "pydantic_settings", "mlflow", "psutil", "fastapi"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from tiltyard.cli import main
sys.argv = ["tiltyard", "doctor"]
main()
"""
    said = subprocess.run(
        [sys.executable, "-c", blocked], env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "fence around jobs" in said.stdout, said.stderr


@pytest.mark.parametrize("extra", ["pytorch", "tensorflow"])
def test_an_extra_that_nobody_needs_is_no_failure(tmp_path: Path, extra: str) -> None:
    assert not checks(tmp_path)[f"extra {extra}"]["needed"]
