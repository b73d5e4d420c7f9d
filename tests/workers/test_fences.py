"""Whatever fence holds, a job ends whole, tells how, and outlives nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import wait_for
from tests.workers.conftest import processes, unlikely
from tiltyard_workers.allowance import Allowance
from tiltyard_workers.fences.fence import BUBBLEWRAP, SUBREAPER, Fence, choose_fence, sized, works
from tiltyard_workers.fences.process import Ended, FencedProcess
from tiltyard_workers.fences.view import View

KINDS = [BUBBLEWRAP, Fence(name="unshare", how="root"), Fence(name="unshare", how="user"), SUBREAPER]
ALLOWED = Allowance(processes=1000, scratch_bytes=1 << 30, shm_bytes=1 << 20)
HERE = [fence for fence in KINDS if works(fence)]
NAMESPACED = [fence for fence in HERE if fence is not SUBREAPER]


def label(fence: Fence) -> str:
    return f"{fence.name}-{fence.how}".rstrip("-")


@pytest.fixture(params=HERE, ids=label)
def fence(request: pytest.FixtureRequest) -> Fence:
    return request.param


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A worker's scratch folder with a job's own folder in it, and another's beside."""
    (tmp_path / "scratch" / "mine").mkdir(parents=True)
    (tmp_path / "scratch" / "other").mkdir()
    (tmp_path / "scratch" / "other" / "secret").write_text("secret")
    return tmp_path / "scratch" / "mine"


def start(fence: Fence, folder: Path, command: str, **environment: str) -> FencedProcess:
    return FencedProcess(
        fence,
        command,
        environment={"PATH": os.environ["PATH"]} | environment,
        visible=[folder],
        work=folder,
        hidden=[folder.parent],
        allowed=ALLOWED,
    )


def run(fence: Fence, folder: Path, command: str, **environment: str) -> tuple[Ended, str]:
    process = start(fence, folder, command, **environment)
    text = process.outputs["stdout"].read().decode()
    for pipe in process.outputs.values():
        pipe.close()
    return process.wait(), text


def test_the_strongest_fence_that_works_is_chosen() -> None:
    assert choose_fence() == HERE[0]
    with pytest.raises(ValueError, match="does not work"):
        choose_fence("moat")


@pytest.mark.parametrize(("version", "knows"), [("0.6", ""), ("0.7", "--perms --size")])
def test_a_bubblewrap_that_cannot_bound_memory_is_a_fence_nonetheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, knows: str
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(f"""#!/bin/sh
[ "$1" != --help ] || {{ echo "{version} --tmpfs {knows}"; exit; }}
while [ "$1" != -- ]; do
    case $1 in --perms|--size) case "{knows}" in *$1*) ;; *) echo "Unknown option $1" >&2; exit 1;; esac;; esac
    shift
done
shift
exec "$@"
""")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sized.cache_clear()
    try:
        assert works(BUBBLEWRAP)
        view = View(own=[], hidden=[tmp_path], shm_bytes=5 << 20)
        command, _ = BUBBLEWRAP.command(view)
    finally:
        sized.cache_clear()
    assert (str(5 << 20) in command) is bool(knows)
    assert (command.count("--remount-ro") == 2) is not bool(knows), "else a hidden folder is room without end"


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        ("exit 0", Ended(exit_code=0)),
        ("exit 7", Ended(exit_code=7)),
        ("kill -SEGV $$", Ended(signal=11)),
        ("no-such-command", Ended(exit_code=127)),
    ],
)
def test_how_a_job_ended_is_told(fence: Fence, folder: Path, command: str, ended: Ended) -> None:
    assert run(fence, folder, command)[0] == ended


def test_a_job_finds_in_its_environment_what_it_is_given_and_nothing_else(fence: Fence, folder: Path) -> None:
    os.environ["TILTYARD_WORKER_TOKEN"] = "tyw_not-for-jobs"
    try:
        _, text = run(fence, folder, "env -0", GIVEN='it\'s "quoted"\nand long')
    finally:
        del os.environ["TILTYARD_WORKER_TOKEN"]
    found = dict(line.split("=", 1) for line in text.split("\0") if line)
    assert found["GIVEN"] == 'it\'s "quoted"\nand long'
    assert set(found) <= {"GIVEN", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}


def test_what_left_the_jobs_session_ends_with_it(fence: Fence, folder: Path) -> None:
    mark = unlikely()
    ended, _ = run(fence, folder, f"setsid sleep {mark} & setsid setsid sleep {mark} & exit 3")
    assert ended == Ended(exit_code=3)
    assert not processes(mark)


def test_a_job_can_be_asked_to_end(fence: Fence, folder: Path) -> None:
    process = start(fence, folder, "trap 'echo asked; exit 5' TERM; echo up; sleep 1000 & wait")
    assert process.outputs["stdout"].readline() == b"up\n"
    process.ask_to_end()
    assert process.outputs["stdout"].readline() == b"asked\n"
    assert process.wait() == Ended(exit_code=5)
    for pipe in process.outputs.values():
        pipe.close()


def test_a_job_that_will_not_end_is_ended_with_all_it_started(fence: Fence, folder: Path) -> None:
    mark = unlikely()
    process = start(
        fence, folder, f"trap '' TERM; setsid sleep {mark} & echo up; while :; do sleep 0.1; done"
    )
    assert process.outputs["stdout"].readline() == b"up\n"
    process.ask_to_end()
    process.end()
    assert process.wait() == Ended()
    assert not processes(mark)
    for pipe in process.outputs.values():
        pipe.close()


def test_nothing_of_a_job_outlives_a_supervisor_that_was_killed(fence: Fence, folder: Path) -> None:
    mark = unlikely()
    holder = f"""
import json, sys, time
from pathlib import Path
from tiltyard_workers.allowance import Allowance
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.fences.process import FencedProcess
fence = Fence(**json.loads(sys.argv[1]))
folder = Path(sys.argv[2])
FencedProcess(fence, "setsid sleep {mark} & sleep {mark}", environment={{"PATH": {os.environ["PATH"]!r}}},
              visible=[folder], work=folder, hidden=[folder.parent],
              allowed=Allowance(processes=1000, scratch_bytes=1 << 30, shm_bytes=1 << 20))
time.sleep(600)
"""
    described = json.dumps({"name": fence.name, "how": fence.how})
    supervisor = subprocess.Popen([sys.executable, "-c", holder, described, str(folder)])
    try:
        wait_for(lambda: len(processes(mark)) == 2)
    finally:
        supervisor.kill()
        supervisor.wait()
    wait_for(lambda: not processes(mark))


@pytest.mark.skipif(not NAMESPACED, reason="namespaces are refused on this host")
@pytest.mark.parametrize("fence", NAMESPACED, ids=label)
def test_behind_a_namespace_a_job_sees_neither_others_nor_their_folders(fence: Fence, folder: Path) -> None:
    _, text = run(
        fence,
        folder,
        "touch mine.txt; ls ..; cat ../other/secret; ls /proc | grep -c '^[0-9]'; grep CapEff /proc/self/status",
    )
    listed, processes, capabilities = text.splitlines()
    assert listed == "mine"
    assert int(processes) < 12
    assert capabilities.split()[-1] == "0" * 16
    assert (folder / "mine.txt").exists()
