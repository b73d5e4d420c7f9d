"""One attempt from claim to finish: every way it can end, whatever the job prints and whatever the gateway does."""

import errno
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import wait_for
from tests.workers.conftest import Run, Running, processes, unlikely
from tests.workers.double import Gateway
from tiltyard_workers.fences.fence import SUBREAPER

TOLD = 'import tiltyard, sys; tiltyard.metric("loss", float("nan"), 1); tiltyard.progress(1, 2, "half");'


@pytest.mark.parametrize(
    ("command", "state", "reason", "code", "number"),
    [
        ("exit 0", "succeeded", None, None, None),
        ("exit 7", "failed", "exit_code", 7, None),
        ("kill -SEGV $$", "failed", "signal", None, "SIGSEGV"),
        ("sh -c 'kill -ABRT $$'; exit $?", "failed", "signal", 134, "SIGABRT"),
        ("kill -KILL $$", "failed", "signal", None, "SIGKILL"),
    ],
)
def test_how_it_ended_is_its_result(
    run: Run, command: str, state: str, reason: str | None, code: int | None, number: str | None
) -> None:
    job = run(command)
    assert job.finish is not None
    assert (job.state, job.finish.reason, job.finish.exit_code, job.finish.signal) == (
        state,
        reason,
        code,
        number,
    )


def test_a_command_that_is_not_there_is_told_in_words(run: Run) -> None:
    job = run("no-such-command --flag")
    assert job.finish is not None
    assert "was not found" in str(job.finish.message)
    assert "no-such-command" in job.log("stderr")


def test_a_job_that_runs_too_long_is_ended(run: Run) -> None:
    mark = unlikely()
    job = run(f"sleep {mark}", timeout=0.5)
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("failed", "timed_out")
    assert "0.5 s" in str(job.finish.message)
    assert not processes(mark)


def test_a_job_that_is_silent_for_too_long_is_ended(run: Run) -> None:
    mark = unlikely()
    job = run(f"for i in 1 2 3 4 5; do echo $i; sleep 1; done; sleep {mark}", progress_timeout=4)
    assert job.finish is not None
    assert (job.state, job.finish.reason) == ("failed", "timed_out")
    assert "progress time-out of 4 s" in str(job.finish.message)
    assert job.log() == "1\n2\n3\n4\n5\n", "each line began the silence anew"
    assert not processes(mark)


def test_what_a_job_prints_breaks_its_silence_also_when_it_is_not_kept(run: Run) -> None:
    shout = "import time\nfor _ in range(60): print('x' * 100_000, flush=True); time.sleep(0.1)"
    job = run("python shout.py", {"shout.py": shout}, progress_timeout=4, job=None)
    assert job.state == "succeeded"


def test_a_call_that_met_another_one_in_the_database_is_made_again(gateway: Gateway, run: Run) -> None:
    gateway.collisions = 4
    job = run("echo one; sleep 1; echo two")
    assert (job.state, job.log(), gateway.collisions) == ("succeeded", "one\ntwo\n", 0)


def test_a_superseded_attempt_stops_at_once_and_says_no_more(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    mark = unlikely()
    running = start(f"trap '' TERM; echo up; sleep {mark}").until_printed("up")
    gateway.take_over(running.job)
    job = running.end()
    assert not processes(mark)
    assert (job.state, job.finish) == ("queued", None)


def test_a_job_cancelled_before_its_archive_came_never_starts(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    gateway.archives_away = True
    running = start("echo started")
    wait_for(lambda: running.job.reports)
    running.job.cancel = True
    job = running.end()
    assert job.finish is not None
    assert (job.state, job.finish.reason, job.log()) == ("cancelled", "cancel_requested", "")


def test_a_job_waits_for_an_archive_that_is_not_to_be_had_now(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    gateway.archives_away = True
    running = start("echo started")
    wait_for(lambda: len(running.job.reports) > 1)
    gateway.archives_away = False
    assert running.end().log() == "started\n"


def test_an_archive_that_is_gone_or_damaged_is_told_in_words(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    gone, damaged = gateway.submit("true"), gateway.submit("true", {"other": "x"})
    gateway.archives[damaged.claim.archive] += b"x"
    del gateway.archives[gone.claim.archive]
    for job, said in ((gone, "there is no archive"), (damaged, "arrived damaged")):
        start("", job=job).end()
        assert job.finish is not None
        assert (job.state, job.finish.reason) == ("failed", "start_failed")
        assert said in str(job.finish.message)


@pytest.mark.parametrize(
    "place", ["scratch.attempt_folder", "scratch.prepare", "TrackedRun.begin", "Channel"]
)
def test_a_worker_whose_disk_is_full_says_that_the_job_did_not_start(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(f"tiltyard_workers.supervisor.attempt.{place}", full)
    job = run("echo started")
    assert job.finish is not None
    assert (job.state, job.finish.reason, job.log()) == ("failed", "start_failed", "")
    assert "disk is full" in str(job.finish.message)


def test_an_archive_is_fetched_once(gateway: Gateway, start: Callable[..., Running]) -> None:
    first, second = gateway.submit("echo one"), gateway.submit("echo two")
    assert first.claim.archive == second.claim.archive
    start("", job=first).end()
    del gateway.archives[first.claim.archive]
    assert start("", job=second).end().log() == "two\n"


def test_a_gateway_that_was_away_misses_nothing_and_hears_nothing_twice(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    running = start("for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.3; done").until_printed("line 2")
    gateway.away.set()
    wait_for(lambda: gateway.missed >= 3)
    gateway.away.clear()
    job = running.end()
    assert job.state == "succeeded"
    assert job.log() == "".join(f"line {number}\n" for number in range(1, 9))


def test_answers_that_are_lost_change_nothing(gateway: Gateway, start: Callable[..., Running]) -> None:
    running = start(
        "for i in 1 2 3 4; do echo line $i; sleep 0.3; done; echo x > f; mkdir outputs; mv f outputs"
    )
    running.until_printed("line 1")
    gateway.lose_answers = 6
    job = running.end()
    assert job.log() == "".join(f"line {number}\n" for number in range(1, 5))
    assert (job.state, job.artifacts) == ("succeeded", {"f": b"x\n"})


def test_a_result_that_nobody_takes_holds_a_stopping_worker_up_no_longer(
    gateway: Gateway, start: Callable[..., Running]
) -> None:
    mark = unlikely()
    running = start(f"exec sh -c 'echo up; sleep 0.5; exit' {mark}").until_printed("up")
    gateway.away.set()
    wait_for(lambda: not processes(mark))
    running.attempt.hand_back()
    job = running.end()
    assert (job.state, job.finish) == ("running", None), "its lease runs out"


def test_events_that_the_gateway_will_not_have_cost_no_job(gateway: Gateway, run: Run) -> None:
    gateway.refuse_events = 1
    job = run("echo first; sleep 1; echo second")
    assert job.state == "succeeded"
    assert "1 events are left out: too large" in job.log()
    assert job.log("stdout") == "second\n"


def test_a_flood_delays_no_lease_and_no_job(run: Run) -> None:
    job = run("yes 'a line of text that is repeated without end' | head -c 300000000; echo the end")
    assert job.state == "succeeded"
    renewed = [job.reports[0], *job.reports]
    assert (
        max(after - before for before, after in zip(renewed, job.reports, strict=False))
        < job.claim.lease_seconds
    )
    text, dropped = job.log(), sum(data.get("dropped", 0) for data in job.told("log"))
    assert text.endswith("the end\n")
    assert len(text) < 17 << 20
    assert len(text) + dropped == 300000000 + len("the end\n")


def test_what_is_not_text_and_a_line_without_end_are_shown_bounded_and_marked(run: Run) -> None:
    script = "import os; os.write(1, b'\\xff\\x00|' + b'x' * 10**6); [os.write(1, b'x' * 10**6) for _ in range(99)]; os.write(1, b'!')"
    job = run(f'{sys.executable} -c "{script}"')
    text = job.log("stdout")
    assert text.startswith("\\xff\\x00|x")
    assert text.endswith("x!")
    assert len(text) < 9 << 20
    assert job.told("log")[-1].get("partial")
    assert sum(data.get("dropped", 0) for data in job.told("log")) > 90 * 10**6


def test_what_a_script_tells_are_events(run: Run) -> None:
    tell = TOLD + 'open("kept.txt", "w").write("kept"); tiltyard.artifact("kept.txt")'
    job = run(f"{sys.executable} -c '{tell}'")
    assert job.told("metric") == [{"name": "loss", "value": "NaN", "step": 1}]
    assert job.told("progress") == [{"done": 1, "total": 2, "note": "half"}]
    assert job.artifacts == {"kept.txt": b"kept"}


def test_a_file_that_was_asked_for_and_is_gathered_is_stored_once(run: Run) -> None:
    script = 'import tiltyard; open("outputs/x", "w").write("kept"); tiltyard.artifact("outputs/x")'
    job = run(f"mkdir outputs && {sys.executable} -c '{script}'")
    assert job.artifacts == {"x": b"kept"}


def test_a_hostile_script_tells_no_more_than_it_may(run: Run) -> None:
    hostile = """
import json, os, socket
for number in range(300):
    wire = socket.socket(socket.AF_UNIX)
    wire.connect(os.environ["TILTYARD_SOCKET"])
    wire.sendall(json.dumps({"kind": "progress", "data": {"done": number, "total": 300}}).encode() + b"\\n")
    wire.close()
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["TILTYARD_SOCKET"])
for line in (b"{" * 100_000, b'{"kind": "state", "data": {}}', b"[1]", b"\\xff", b'{"kind": "metric", "data": {"name": 1}}',
             b'{"kind": "artifact", "data": {"path": "/etc/hostname"}}', b'{"kind": "artifact", "data": {"path": "../x\\\\u0000"}}',
             b'{"kind": "metric", "data": {"name": "after", "value": 1}}'):
    wire.sendall(line + b"\\n")
"""
    job = run(f"{sys.executable} hostile.py", {"hostile.py": hostile})
    assert job.told("metric") == [{"name": "after", "value": 1, "step": None}]
    assert len(job.told("progress")) < 100
    assert not job.artifacts
    assert not job.told("state")
    assert job.log().count("is left out") == 2


def test_the_output_folder_is_gathered_and_no_link_is_followed(run: Run) -> None:
    job = run(
        "mkdir -p out/deep; echo a > out/deep/a; ln -s /etc/hostname out/link; ln -s /etc out/folder;"
        " ln out/deep/a out/hard; mkfifo out/pipe; echo b > 'out/naïve name'",
        outputs="out",
    )
    assert job.artifacts == {"deep/a": b"a\n", "hard": b"a\n", "na%C3%AFve%20name": b"b\n"}


@pytest.mark.parametrize("outputs", ["etc", "into/etc", "../../..", "/etc"])
def test_an_output_folder_that_leads_elsewhere_is_not_gathered(run: Run, outputs: str) -> None:
    job = run("ln -s /etc etc; ln -s / into", outputs=outputs)
    assert (job.state, job.artifacts) == ("succeeded", {})


def test_a_file_that_becomes_a_link_while_it_is_asked_for_is_not_followed(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    swap = f"""
import os, tiltyard
for number in range(200):
    os.makedirs("d", exist_ok=True)
    open("d/f", "w").write("plain")
    tiltyard.artifact("d/f")
    os.unlink("d/f")
    os.symlink({str(secret)!r}, "d/f")
    os.unlink("d/f")
    os.rmdir("d")
    os.symlink({str(tmp_path)!r}, "d")
    os.unlink("d")
"""
    job = run(f"{sys.executable} swap.py", {"swap.py": swap}, fence=SUBREAPER)
    assert job.state == "succeeded"
    assert set(job.artifacts.values()) <= {b"plain", b""}


def test_a_metric_too_many_is_left_out_and_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiltyard_workers.supervisor.outbox.MOST_METRICS", 100)
    job = run(f"{sys.executable} -c 'import tiltyard; [tiltyard.metric(\"m\", i) for i in range(150)]'")
    assert [metric["value"] for metric in job.told("metric")] == list(range(100))
    assert "50 events are left out" in job.log()


def _memory_group() -> Path | None:
    group = Path("/sys/fs/cgroup/memory") / f"tiltyard-test-{secrets.token_hex(4)}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(256 << 20))
    except OSError:
        return None
    return group


def test_a_job_that_ran_out_of_memory_is_told_so(gateway: Gateway, tmp_path: Path) -> None:
    group = _memory_group()
    if group is None:
        pytest.skip("control groups of the first version are not to be had here")
    job = gateway.submit(f"{sys.executable} -c 'x = bytearray(2 << 30); print(len(x))'")
    script = Path(__file__).with_name("supervise.py")
    enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    command = [
        "sh",
        "-c",
        enter,
        "sh",
        sys.executable,
        str(script),
        gateway.url,
        job.claim.job,
        str(tmp_path / "s"),
    ]
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    try:
        subprocess.run(
            [*command, "subreaper", ""], env=os.environ | {"PYTHONPATH": path}, check=True, timeout=60
        )
    finally:
        group.rmdir()
    assert job.finish is not None
    assert (job.finish.reason, job.finish.signal) == ("out_of_memory", "SIGKILL")
    assert "memory ran out" in str(job.finish.message)


def test_a_file_whose_name_is_no_text_is_left_out_and_the_others_are_kept(run: Run) -> None:
    script = "import os; os.mkdir('outputs'); [open(b'outputs/' + name, 'w').write('x') for name in (b'a', b'\\xff', b'z')]"
    job = run(f'{sys.executable} -c "{script}"')
    assert (job.state, job.artifacts) == ("succeeded", {"a": b"x", "z": b"x"})
    assert "is left out: its name is not UTF-8" in job.log("stderr")


def test_a_path_of_half_characters_keeps_no_other_file_from_being_stored(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiltyard_workers.supervisor.asked.MOST_WAITING", 10)
    script = """
import json, os, socket, tiltyard
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["TILTYARD_SOCKET"])
open("kept", "w").write("kept")
for path in ["\\ud800", *["kept"] * 50]:
    wire.sendall(json.dumps({"kind": "artifact", "data": {"path": path}}).encode() + b"\\n")
"""
    job = run(f"{sys.executable} half.py", {"half.py": script})
    assert (job.state, job.artifacts) == ("succeeded", {"kept": b"kept"})
    assert "is left out: its name is not UTF-8" in job.log("stderr")


def test_an_output_folder_that_cannot_be_looked_at_costs_no_result(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tiltyard_workers.supervisor.attempt.regular_files", closed)
    job = run("mkdir outputs")
    assert job.state == "succeeded"
    assert "the folder 'outputs' cannot be read: Permission denied" in job.log("stderr")


def test_what_is_left_out_again_and_again_makes_no_log_without_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiltyard_workers.supervisor.attempt.MOST_SAID", 5)
    job = run(f"{sys.executable} -c 'import tiltyard; [tiltyard.artifact(str(i)) for i in range(300)]'")
    assert job.log().count("the artifact") == 5
    assert job.log().endswith("tiltyard: what else is left out is not told\n")


def test_of_files_without_end_those_that_have_room_are_kept_and_the_rest_is_told_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiltyard_workers.supervisor.gather.MOST_FILES", 3)
    job = run("mkdir outputs; cd outputs; touch $(seq 50)")
    assert (job.state, len(job.artifacts)) == ("succeeded", 3)
    assert job.log().count("left out") == 1
