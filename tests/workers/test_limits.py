"""What a job may use: who takes more is ended by name of the limit, and harms nobody."""

import errno
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.workers.conftest import Run, Running, processes, unlikely
from tests.workers.double import Job
from tiltyard_workers.allowance import LEAST_PROCESSES, LEAST_ROOM_BYTES, LEAST_SHM_BYTES
from tiltyard_workers.fences.disk import LEAST_A_FILE, Disk, Hidden, used
from tiltyard_workers.fences.fence import SUBREAPER, Fence
from tiltyard_workers.fences.process import Ended
from tiltyard_workers.fences.processes import descendants
from tiltyard_workers.fences.usage import REST, Usage
from tiltyard_workers.groups import least
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.result import judge, over_limit

MIB = 1 << 20
BOMB = """\
import os, sys
print("lit", flush=True)
for _ in range(8):  # 256 of them, each with a session of its own
    if os.fork() == 0:
        os.setsid()
os.execvp("sleep", ["sleep", sys.argv[1]])
"""
THREADS = """\
import sys, threading
wait = threading.Event()
for _ in range(100):
    threading.Thread(target=wait.wait, args=[60], daemon=True).start()
wait.wait(60)
"""
FEW = {"job_processes": 64}
WATCHED: dict[str, Any] = {"allowed": {"scratch": MIB, "processes": 16}, "namespace": True, "places": []}
LITTLE = {"job_scratch_bytes": 32 * MIB}


def said(job: Job) -> str:
    """What a job that passed a limit is told."""
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("failed", "over_limit"), job.finish
    return str(job.finish.message)


def test_a_fork_bomb_is_ended_with_all_it_started(run: Run, fence: Fence) -> None:
    mark = unlikely()
    job = run(f"python bomb.py {mark}", {"bomb.py": BOMB}, fence=fence, changed=FEW, timeout=20)
    assert "where this worker allows a job 64: start fewer, or set TILTYARD_JOB_PROCESSES higher" in said(job)
    assert job.log() == "lit\n"
    assert not processes(mark)


def test_threads_count_as_processes(run: Run, fence: Fence) -> None:
    job = run("python threads.py", {"threads.py": THREADS}, fence=fence, changed=FEW, timeout=20)
    assert "processes and threads at a time" in said(job)


def test_a_job_cannot_stop_who_counts_its_processes(run: Run, fence: Fence) -> None:
    if fence == SUBREAPER:
        pytest.skip("without a namespace, a job may signal whatever is this user's")
    stop = "kill -STOP 1; kill -KILL 1; [ $$ = 2 ] || kill -STOP 2"
    job = run(f"{stop}; python bomb.py {unlikely()}", {"bomb.py": BOMB}, fence=fence, changed=FEW, timeout=20)
    assert "TILTYARD_JOB_PROCESSES" in said(job)


def test_where_the_kernel_can_it_holds_the_processes_of_a_job_between_two_looks(
    run: Run, fence: Fence
) -> None:
    own_user = fence.name == "bubblewrap" or fence.how == "user"
    job = run("cat /proc/self/limits", fence=fence, changed=FEW)
    (line,) = [line for line in job.log().splitlines() if line.startswith("Max processes")]
    assert ("128" in line.split()) is own_user


NEST = """\
import os, sys
for _ in range(2100):
    os.mkdir("d")
    os.chdir("d")
os.execvp("sleep", ["sleep", sys.argv[1]])
"""


def test_folders_nested_beyond_all_measure_end_a_job_and_are_gone_with_it(
    run: Run, fence: Fence, tmp_path: Path
) -> None:
    job = run(f"python nest.py {unlikely()}", {"nest.py": NEST}, fence=fence, timeout=20)
    assert "nested too deep" in said(job)
    assert not list((tmp_path / "scratch" / "jobs").iterdir())


WRITES = {
    "in its folder": "head -c 20M /dev/zero > a; head -c 20M /dev/zero > b",
    "in its /tmp": "head -c 20M /dev/zero > $TMPDIR/a; head -c 20M /dev/zero > $TMPDIR/b",
    "in a closed folder": "mkdir d; head -c 20M /dev/zero > d/a; head -c 20M /dev/zero > d/b; chmod 0 d",
    "in files that it removed": "exec 8>a 9>b; rm a b; head -c 20M /dev/zero >&8; head -c 20M /dev/zero >&9",
    "in very many files": "mkdir d; cd d; seq 3000 | xargs touch",
}


@pytest.mark.parametrize("writes", WRITES.values(), ids=WRITES)
def test_a_job_that_fills_the_disk_is_ended_and_what_it_kept_is_kept(
    run: Run, fence: Fence, writes: str
) -> None:
    mark = unlikely()
    first = "echo first; mkdir outputs; echo kept > outputs/kept"
    job = run(f"{first}; {writes}; sleep {mark}", fence=fence, changed=LITTLE, timeout=30)
    message = said(job)
    assert "of the disk, where this worker allows a job 32.0 MiB" in message
    assert "set TILTYARD_JOB_SCRATCH_BYTES higher" in message
    assert job.log("stdout") == "first\n"
    assert job.artifacts == {"kept": b"kept\n"}
    assert not processes(mark)


def test_a_job_that_ends_before_the_next_look_is_looked_at(run: Run, fence: Fence) -> None:
    job = run("head -c 20M /dev/zero > a; head -c 20M /dev/zero > b", fence=fence, changed=LITTLE)
    assert "of the disk" in said(job)


def test_one_file_cannot_outrun_the_looks(run: Run, fence: Fence) -> None:
    job = run(
        "fallocate -l 1G big; code=$?; ls -s big; rm big; exit $code",
        fence=fence,
        changed=LITTLE | {"job_shm_bytes": MIB},
    )
    assert "SIGXFSZ ended it" in said(job)
    assert int(job.log("stdout").split()[0]) <= 32 << 10, "KiB"


def test_shared_memory_is_the_jobs_own_and_bounded(run: Run, fence: Fence) -> None:
    if fence == SUBREAPER:
        pytest.skip("without a namespace, /dev/shm is the host's")
    name = f"tiltyard-{secrets.token_hex(8)}"
    changed = {"job_shm_bytes": 2 * MIB}
    fits = run(f"head -c 1M /dev/zero > /dev/shm/{name}", fence=fence, changed=changed)
    assert fits.state == "succeeded", fits.log()
    job = run(f"head -c 4M /dev/zero > /dev/shm/{name}", fence=fence, changed=changed)
    assert "filled /dev/shm, where this worker allows a job 2.0 MiB" in said(job)
    assert "TILTYARD_JOB_SHM_BYTES" in said(job)
    assert not Path("/dev/shm", name).exists()


def test_what_shared_memory_has_room_for_may_be_one_file(run: Run, fence: Fence) -> None:
    if fence == SUBREAPER:
        pytest.skip("without a namespace, /dev/shm is the host's")
    changed = LITTLE | {"job_shm_bytes": 64 * MIB}
    job = run("head -c 40M /dev/zero > /dev/shm/x", fence=fence, changed=changed)
    assert job.state == "succeeded", job.finish


def test_no_other_memory_file_system_takes_what_shared_memory_may_not(run: Run, fence: Fence) -> None:
    if fence == SUBREAPER:
        pytest.skip("without a namespace, a job writes wherever this user may")
    job = run("head -c 4M /dev/zero > /dev/more", fence=fence)
    assert job.state == "failed"


def test_a_job_that_succeeds_though_its_shared_memory_was_full_has_succeeded(run: Run, fence: Fence) -> None:
    if fence == SUBREAPER:
        pytest.skip("without a namespace, /dev/shm is the host's")
    job = run("head -c 4M /dev/zero > /dev/shm/x; true", fence=fence, changed={"job_shm_bytes": 2 * MIB})
    assert job.state == "succeeded"


@pytest.mark.parametrize(
    "ended", [Ended(exit_code=1), Ended(exit_code=0, shm_full=True), Ended(signal=9), Ended()]
)
def test_who_passed_no_limit_is_judged_as_ever(
    settings: WorkerSettings, tmp_path: Path, ended: Ended
) -> None:
    assert over_limit(ended, settings.allowance(tmp_path)) is None
    assert judge(ended).reason != "over_limit"


@pytest.mark.parametrize(
    "ended",
    [
        Ended(exit_code=1, shm_full=True, shm_was_full=True),
        Ended(signal=7, shm_was_full=True),
        Ended(exit_code=135, shm_was_full=True),
    ],
)
def test_full_shared_memory_is_the_reason_at_the_end_or_for_a_bus_error(
    settings: WorkerSettings, tmp_path: Path, ended: Ended
) -> None:
    over = over_limit(ended, settings.allowance(tmp_path))
    assert over is not None
    assert "TILTYARD_JOB_SHM_BYTES" in str(over.message)


def test_shared_memory_that_has_room_again_is_no_reason_and_is_told(
    settings: WorkerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = settings.allowance(tmp_path)
    monkeypatch.setattr(Disk, "watch", lambda _: None)
    usage = Usage(WATCHED)
    for room in (0, MIB):
        monkeypatch.setattr(os, "statvfs", lambda _, room=room: SimpleNamespace(f_bavail=room, f_frsize=1))
        usage.look_at_shared_memory()
    ended = Ended(exit_code=3, shm_full=usage.shm_full, shm_was_full=usage.shm_was_full)
    assert over_limit(ended, allowed) is None
    assert judge(ended).reason == "exit_code"
    assert "/dev/shm was full meanwhile" in str(judge(ended).message)


def test_memory_that_ran_out_goes_before_shared_memory_that_is_full(
    settings: WorkerSettings, tmp_path: Path
) -> None:
    ended = Ended(signal=9, shm_full=True, shm_was_full=True)
    assert over_limit(ended, settings.allowance(tmp_path), out_of_memory=True) is None
    assert judge(ended, out_of_memory=True).reason == "out_of_memory"


def test_what_is_not_set_follows_the_host(settings: WorkerSettings, tmp_path: Path) -> None:
    allowed = settings.allowance(tmp_path)
    assert allowed.processes >= LEAST_PROCESSES or least("pids", "pids.max", "pids.max") is not None
    assert allowed.scratch_bytes > MIB
    assert allowed.shm_bytes >= LEAST_SHM_BYTES


@pytest.mark.parametrize(("processors", "most"), [(2, 4096), (64, 8192), (128, 32768), (256, 32768)])
def test_a_pool_whose_processes_all_start_a_thread_for_each_processor_has_room(
    settings: WorkerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, most: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    monkeypatch.setattr("tiltyard_workers.groups.least", lambda *_: None)
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert settings.allowance(tmp_path).processes == most


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have the worker's disk tell that so many bytes are free."""

    def tell(count: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=count))

    return tell


def test_what_a_job_was_given_takes_nothing_from_its_room(run: Run, free: Callable[[int], None]) -> None:
    free(LEAST_ROOM_BYTES)
    given = {"given": secrets.token_hex(30 * MIB)}
    job = run("head -c 100M /dev/zero > b", given)
    assert job.state == "succeeded", job.finish
    assert "of the disk" in said(run("head -c 140M /dev/zero > b", given))


def test_a_worker_whose_disk_is_full_starts_no_job_and_takes_no_other(
    start: Callable[..., Running], free: Callable[[int], None]
) -> None:
    free(LEAST_ROOM_BYTES - 1)
    running = start("true")
    finish = running.end().finish
    assert finish is not None
    assert (finish.reason, finish.message) == (
        "start_failed",
        "The worker could not start it: the worker's disk is full.",
    )
    assert running.attempt.unfit


def test_a_full_disk_is_no_hindrance_where_a_limit_is_set(run: Run, free: Callable[[int], None]) -> None:
    free(0)
    assert run("true", changed=LITTLE).state == "succeeded"


@pytest.fixture
def groups(tmp_path: Path) -> Callable[..., int | None]:
    """The lowest limit of made-up control groups."""

    def made(lines: str, **limits: str) -> int | None:
        proc, mounted = tmp_path / "proc", tmp_path / "cgroup"
        (proc / "self").mkdir(parents=True)
        (proc / "self" / "cgroup").write_text(lines)
        for place, value in limits.items():
            folder = mounted / place.replace("_", "/")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "pids.max").write_text(value)
        return least("pids", "pids.max", "pids.max", proc, mounted)

    return made


@pytest.mark.parametrize(
    ("lines", "limits", "lowest"),
    [
        ("0::/a/b\n", {"a": "500", "a_b": "max"}, 500),
        ("0::/a/b\n", {"a": "max", "a_b": "max"}, None),
        ("8:pids:/a\n3:memory:/\n0::/\n", {"pids_a": "700", "pids": "9000"}, 700),
        ("", {}, None),
    ],
)
def test_the_tightest_control_group_counts(
    groups: Callable[..., int | None], lines: str, limits: dict[str, str], lowest: int | None
) -> None:
    assert groups(lines, **limits) == lowest


@contextmanager
def as_an_ordinary_user() -> Iterator[Path]:
    """A folder of a user who is not root, as that user."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() != 0:
            yield Path(name)
            return
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_nothing_hides_behind_a_mode() -> None:
    with as_an_ordinary_user() as folder:
        (folder / "closed" / "inner").mkdir(parents=True)
        (folder / "closed" / "inner" / "big").write_bytes(bytes(MIB))
        (folder / "closed" / "inner").chmod(0o400)
        (folder / "closed").chmod(0)
        assert used([str(folder)]) >= MIB


def test_nothing_hides_beyond_the_longest_path(tmp_path: Path) -> None:
    begun = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
        with pytest.raises(Hidden):
            used([str(tmp_path)])
    finally:
        os.chdir(begun)


def test_a_look_that_fails_ends_neither_the_watch_nor_the_warden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big").write_bytes(bytes(MIB))
    disk = Disk([str(tmp_path)], MIB // 2, list)
    statvfs, failed = os.statvfs, iter([errno.ESTALE, errno.EMFILE])

    def sometimes(place: int) -> os.statvfs_result:
        if (code := next(failed, None)) is not None:
            raise OSError(code, os.strerror(code))
        return statvfs(place)

    monkeypatch.setattr(os, "statvfs", sometimes)
    disk.watch()
    assert disk.is_passed


def without_proc(monkeypatch: pytest.MonkeyPatch, ps: Callable[..., Any]) -> None:
    is_folder = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/proc/self" and is_folder(path))
    monkeypatch.setattr(subprocess, "run", ps)


def test_a_host_without_a_process_left_to_count_with_keeps_its_warden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    without_proc(monkeypatch, refused)
    assert descendants(os.getpid()) == []


def test_what_another_process_takes_to_count_keeps_the_next_look_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]

    def slow(*_: object, **__: object) -> SimpleNamespace:
        now[0] += 1
        return SimpleNamespace(stdout=b"")

    without_proc(monkeypatch, slow)
    monkeypatch.setattr(Disk, "watch", lambda _: None)
    usage = Usage(WATCHED | {"namespace": False})
    monkeypatch.setattr("tiltyard_workers.fences.usage.time.monotonic", lambda: now[0])
    usage.look()
    assert usage.rest == pytest.approx(REST)


def test_a_last_look_that_fails_ends_no_warden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk, "watch", lambda _: None)
    usage = Usage(WATCHED | {"places": [str(tmp_path)]})

    def stale(_: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "statvfs", stale)
    usage.look_at_last()
    assert usage.passed is None


@pytest.mark.parametrize("tries", [1, 2])
def test_a_folder_that_closes_as_it_is_opened_has_a_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    (tmp_path / "big").write_bytes(bytes(MIB))
    scandir, closed = os.scandir, iter(range(tries))

    def closing(folder: str) -> Any:
        if next(closed, None) is not None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closing)
    if tries == 1:
        assert used([str(tmp_path)]) >= MIB
    else:
        with pytest.raises(Hidden):
            used([str(tmp_path)])


def test_files_inside_count_also_where_they_are_on_another_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "open").open("wb") as opened:
        opened.write(bytes(MIB))
        opened.flush()
        (tmp_path / "open").unlink()
        (tmp_path / "big").write_bytes(bytes(MIB))
        stat = os.stat

        def on_another(path: Any, **more: Any) -> os.stat_result:
            found = stat(path, **more)
            if path != str(tmp_path):
                return found
            return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

        monkeypatch.setattr(os, "stat", on_another)
        assert used([str(tmp_path)], [os.getpid()]) >= 2 * MIB


def test_a_file_counts_by_what_it_takes_and_not_by_what_it_claims(tmp_path: Path) -> None:
    with (tmp_path / "hollow").open("wb") as hollow:
        hollow.truncate(1 << 30)
    assert used([str(tmp_path)]) == LEAST_A_FILE


def test_a_file_counts_once_and_an_empty_one_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(MIB))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert MIB <= used([str(tmp_path)]) < 2 * MIB
    (tmp_path / "empty").touch()
    with (tmp_path / "a").open("rb"):
        (tmp_path / "a").unlink()
        (tmp_path / "b").unlink()
        assert used([str(tmp_path)]) == LEAST_A_FILE
        assert used([str(tmp_path)], [os.getpid()]) >= MIB
