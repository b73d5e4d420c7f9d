"""What every fence holds: nothing of a job outlives its end or its supervisor's, and nothing of the worker's shows."""

import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import wait_for
from tests.workers.conftest import Run, Running, Supervisor, processes, unlikely
from tests.workers.double import WORKER_TOKEN, Gateway, Job
from tiltyard_workers.fences.fence import SUBREAPER, WARDEN, Fence
from tiltyard_workers.supervisor.scratch import remove

DETACH = """\
import subprocess, sys
subprocess.Popen(["sleep", sys.argv[1]], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
"""
PROBE = """\
import json, os
from pathlib import Path

def read(path):
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError as error:
        return type(error).__name__

def writable(path):
    return os.access(path, os.W_OK)

print(json.dumps({
    "environment": dict(os.environ),
    "others": {name: read(f"/proc/{name}/environ") for name in os.listdir("/proc") if name.isdigit()},
    "scratch": sorted(os.listdir(os.environ["SEEN"])),
    "usr": writable("/usr"),
    "shadow": "root" in read("/etc/shadow"),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "status": read("/proc/self/status"),
    "stdin": os.readlink("/proc/self/fd/0"),
}))
"""


def asleep(mark: str) -> bool:
    return bool(processes(mark))


def test_a_grandchild_in_a_session_of_its_own_ends_with_the_job(run: Run, fence: Fence) -> None:
    mark = unlikely()
    job = run(f"python detach.py {mark}", {"detach.py": DETACH}, fence=fence)
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("succeeded", None)
    assert not asleep(mark)


def test_a_killed_supervisor_takes_its_job_along(
    gateway: Gateway, supervise: Callable[[Job, Fence], Supervisor], fence: Fence
) -> None:
    mark = unlikely()
    job = gateway.submit(f"python detach.py {mark}; echo up; sleep {mark}", {"detach.py": DETACH})
    supervisor = supervise(job, fence)
    wait_for(lambda: "up" in job.log())
    assert len(processes(mark)) == 2
    supervisor.kill()
    wait_for(lambda: not asleep(mark))


def test_a_cancelled_job_is_asked_first_and_then_ended_with_all_it_started(
    start: Callable[..., Running], fence: Fence
) -> None:
    mark = unlikely()
    command = f"trap 'echo asked' TERM; python detach.py {mark}; echo up; while :; do sleep 0.1; done"
    running = start(command, {"detach.py": DETACH}, fence=fence).until_printed("up")
    running.job.cancel = True
    job = running.end()
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("cancelled", "cancel_requested")
    assert "asked" in job.log()
    assert not asleep(mark)


def test_a_job_that_stopped_its_warden_is_ended_all_the_same(run: Run, fence: Fence) -> None:
    mark = unlikely()
    job = run(f"kill -STOP $PPID; sleep {mark}", fence=fence, timeout=1)
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("failed", "timed_out")
    assert not asleep(mark)


def test_a_job_finds_nothing_of_the_worker_s(
    run: Run, fence: Fence, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TILTYARD_WORKER_TOKEN", WORKER_TOKEN)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "secret").write_text("hidden")
    seen = f"SEEN={shlex.quote(str(tmp_path / 'scratch'))}"
    job = run(f"{seen} {sys.executable} probe.py", {"probe.py": PROBE}, fence=fence)
    found = json.loads(job.log("stdout"))
    assert "/dev/null" in found["stdin"]
    assert found["descriptors"] == ["0", "1", "2", "3"], "3 is the listing itself"
    assert "CapEff:\t0000000000000000" in found["status"]
    if fence != SUBREAPER:
        assert not any(WORKER_TOKEN in environment for environment in found["others"].values())
        assert len(found["others"]) < 8
        assert found["scratch"] == ["jobs"]
        assert not found["usr"]
        assert not found["shadow"]


def test_a_job_s_environment_is_exactly_the_list(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "x")
    job = run(f"exec {sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'")
    found = json.loads(job.log("stdout"))
    assert set(found) - {"PWD", "LC_CTYPE"} == {
        "PATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED",
        "TILTYARD_JOB_ID", "TILTYARD_ATTEMPT", "TILTYARD_EPOCH", "TILTYARD_SOCKET",
        "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
        "PYTHONPATH", "TILTYARD_PLUGINS",
        "PREFECT_HOME", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "PREFECT_SERVER_ANALYTICS_ENABLED",
        "PREFECT_API_REQUEST_TIMEOUT", "PREFECT_LOGGING_TO_API_ENABLED", "PREFECT_LOGGING_COLORS",
    }  # fmt: skip
    assert found["TILTYARD_JOB_ID"] == job.claim.job
    assert found["PATH"].split(":")[0] == str(Path(sys.executable).parent)


def test_a_job_writes_to_its_own_folder_and_to_a_tmp_of_its_own(run: Run, fence: Fence) -> None:
    name = f"tiltyard-{secrets.token_hex(8)}"
    where = "$TMPDIR" if fence == SUBREAPER else "/tmp"
    job = run(
        f"touch here {where}/{name} $HOME/{name} && cat /dev/null /dev/zero | head -c 1 | wc -c", fence=fence
    )
    assert (job.state, job.log("stdout").strip()) == ("succeeded", "1"), job.log()
    assert not Path("/tmp", name).exists()


def test_a_file_is_moved_between_a_job_s_own_folders(run: Run, fence: Fence) -> None:
    job = run(
        f'touch $TMPDIR/x && {sys.executable} -c \'import os; os.rename(os.environ["TMPDIR"] + "/x", "y")\'',
        fence=fence,
    )
    assert job.state == "succeeded", job.log()


def test_a_long_command_is_started(run: Run, fence: Fence) -> None:
    text = "ж" * 30_000
    job = run(f"printf %s {text} | wc -c", fence=fence)
    assert job.log("stdout").strip() == "60000"


def test_a_folder_is_removed_however_deep_it_nests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nest"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(1_100):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(tmp_path)
    remove(folder)
    assert not folder.exists()


def test_nothing_is_left_of_an_attempt(run: Run, fence: Fence, tmp_path: Path) -> None:
    run("mkdir -m 0 closed; mkdir -p a/b; chmod 500 a; touch $TMPDIR/x", fence=fence)
    assert not list((tmp_path / "scratch" / "jobs").iterdir())
    assert not [child for child in processes(WARDEN) if child.ppid() == os.getpid()]
