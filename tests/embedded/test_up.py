"""`tiltyard up` as a user meets it: real processes, killed and started again."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.acceptance.testbed import TILTYARD, embedded, reachable
from tests.servers import PATIENCE, wait_for

pytestmark = pytest.mark.ring("embedded")


def up(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to be refused."""
    command = [TILTYARD, "up", "--data", str(folder), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=os.environ | {"XDG_CONFIG_HOME": str(folder.parent / "other-config")},
    )


def running_in(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_testbed_bears_the_loss_of_its_database_and_is_continued_after_a_kill(tmp_path: Path) -> None:
    with embedded(tmp_path, mlflow=False) as testbed:
        root = psutil.Process(testbed.processes["up"].pid)
        parts = root.children(recursive=True)
        # A second one on the same data, and one on the same port, each get one line that says what to do.
        second = up(tmp_path / "data", "--port", "0")
        assert (second.returncode, f"process {root.pid}" in second.stderr) == (1, True), second.stderr
        third = up(tmp_path / "another", "--port", testbed.url.rpartition(":")[2])
        assert (third.returncode, "--port" in third.stderr) == (1, True), third.stderr
        assert len(third.stderr.splitlines()) == 1
        postgres = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postgres, signal.SIGKILL)
        wait_for(lambda: "postgres ended (signal SIGKILL)" in (tmp_path / "up.log").read_text())
        wait_for(lambda: reachable(f"{testbed.url}/health"))
        with testbed.http() as http:
            assert http.get("/jobs").status_code == 200
        token = testbed.token
        root.kill()
        _, left = psutil.wait_procs(parts, timeout=PATIENCE)
        assert not left
        wait_for(lambda: not running_in(tmp_path))
    with embedded(tmp_path, mlflow=False) as again:
        assert again.token == token
        process = again.processes["up"]
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert not running_in(tmp_path)
