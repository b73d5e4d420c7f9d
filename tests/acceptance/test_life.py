"""The life of a job on a whole testbed: order, time-outs, retries and orders, each ending as a user reads it."""

from pathlib import Path

import pytest

from tests.acceptance.test_first_attack import events_of, sleepers, submitted
from tests.acceptance.testbed import TILTYARD, Testbed, start
from tests.servers import stop, wait_for


def worker_of(testbed: Testbed) -> str:
    """The worker that is there; one that another test killed reads so for a minute still."""
    return str(max(testbed.json("worker", "ls"), key=lambda one: one["last_seen"])["id"])


def test_jobs_run_one_after_the_other_and_what_can_not_follow_is_cancelled(
    testbed: Testbed, probe: Path
) -> None:
    first = submitted(testbed, str(probe), "-x", "life", "-P", "fail=exit")
    mourner = submitted(testbed, str(probe), "-x", "life", "--after", f"{first}:failed")
    heir = submitted(testbed, str(probe), "-x", "life", "--after", first)
    last = submitted(testbed, str(probe), "-x", "life", "--after", f"{heir}:any", "--after", mourner)
    assert testbed.run("wait", last, mourner, heir, first, code=3).stdout.count(" succeeded after ") == 2
    assert testbed.job(mourner)["started_at"] >= testbed.job(first)["finished_at"]
    assert testbed.job(last)["started_at"] >= testbed.job(mourner)["finished_at"]
    assert "had succeeded, and that one is failed" in testbed.run("why", heir).stdout


def test_the_higher_priority_goes_first_when_a_paused_queue_is_resumed(testbed: Testbed, probe: Path) -> None:
    testbed.run("queue", "pause", "cpu")
    jobs = {p: submitted(testbed, str(probe), "-x", "life", "--priority", str(p)) for p in (1, 5, 9)}
    assert "is paused" in testbed.run("why", jobs[1]).stdout
    testbed.run("queue", "resume", "cpu")
    testbed.run("wait", *jobs.values())
    started = sorted(jobs, key=lambda priority: testbed.job(jobs[priority])["started_at"])
    assert started == [9, 5, 1]


def test_a_failure_that_is_to_be_retried_is_and_each_attempt_is_told(testbed: Testbed, probe: Path) -> None:
    asked = ("--retry-on", "exit_code", "--max-attempts", "2")
    job = submitted(testbed, str(probe), "-x", "life", "-P", "fail=exit", *asked)
    testbed.run("wait", job, code=1)
    assert testbed.job(job)["attempt"] == 2
    said = testbed.run("why", job).stdout.splitlines()
    assert [line.split(",")[0].strip().split(" on ")[0] for line in said[1:]] == ["attempt 1", "attempt 2"]
    again = testbed.run("clone", job, "--set", "fail=no").stdout.strip()
    testbed.run("wait", again)
    assert testbed.job(again)["parent"] == job


def test_a_job_that_is_silent_or_waits_for_too_long_has_timed_out(testbed: Testbed, probe: Path) -> None:
    silent = submitted(
        testbed, str(probe), "-x", "life", "-e", "sleep", "-P", "seconds=600", "--progress-timeout", "1s"
    )
    unserved = submitted(testbed, str(probe), "-x", "life", "-q", "tensorflow", "--queue-timeout", "1s")
    assert "progress time-out of 1 s" in testbed.run("wait", silent, code=4).stdout
    wait_for(lambda: sleepers() == 0)
    assert "queue time-out of 1 s" in testbed.run("wait", unserved, code=4).stdout
    assert "It never started." in testbed.run("why", unserved).stdout


def test_a_cancelled_job_leaves_no_process_behind(testbed: Testbed, probe: Path) -> None:
    job = submitted(testbed, str(probe), "-x", "life", "-e", "sleep", "-P", "seconds=600")
    wait_for(lambda: "asleep" in testbed.run("logs", job).stdout)
    waiting = submitted(testbed, str(probe), "-x", "life", "--start-at", "+1h")
    counted = testbed.run("cancel", "-x", "life", "--dry-run").stdout
    assert counted == "2 jobs would be cancelled.\n"
    testbed.run("cancel", "-x", "life", "--yes")
    assert testbed.job(waiting)["state"] == "cancelled"
    testbed.run("wait", job, code=3)
    wait_for(lambda: sleepers() == 0)
    frames = events_of(testbed, job)
    assert [frame["data"]["state"] for frame in frames if frame["kind"] == "state"] == [
        "queued", "running", "running", "cancelled",
    ]  # fmt: skip


def test_a_worker_drains_and_rejoins(testbed: Testbed, probe: Path) -> None:
    worker = worker_of(testbed)
    running = submitted(testbed, str(probe), "-x", "life", "-e", "sleep", "-P", "seconds=3")
    testbed.until_state(running, "running")
    testbed.run("worker", "drain", worker)
    testbed.run("wait", running)
    queued = submitted(testbed, str(probe), "-x", "life")
    try:  # a worker that another test killed counts as one for a minute
        rejoin = f"tiltyard worker rejoin {worker}"
        wait_for(lambda: rejoin in testbed.run("why", queued).stdout, seconds=90)
    finally:
        testbed.run("worker", "rejoin", worker)
    testbed.run("wait", queued)


@pytest.mark.parametrize("testbed", ["embedded"], indirect=True)
def test_another_worker_on_the_same_machine_needs_no_settings(testbed: Testbed, tmp_path: Path) -> None:
    joining = start(
        [TILTYARD, "worker", "--queue", "pytorch"], tmp_path / "log", XDG_CONFIG_HOME=str(testbed.home)
    )
    try:
        wait_for(lambda: "pytorch" in [one["queue"] for one in testbed.json("worker", "ls")])
    finally:
        stop(joining)


def test_a_job_gets_the_file_that_another_one_leaves(testbed: Testbed, tmp_path: Path) -> None:
    (tmp_path / "MLproject").write_text(
        "entry_points:\n"
        "  train:\n"
        "    command: mkdir -p outputs && printf weights > outputs/model.bin\n"
        "  attack:\n"
        "    parameters:\n"
        "      model: path\n"
        "    command: cat {model} && echo ' from' {model}\n"
    )
    model = submitted(testbed, str(tmp_path), "-x", "life", "-e", "train")
    attack = submitted(
        testbed, str(tmp_path), "-x", "life", "-e", "attack", "-P", f"model=artifact:{model}/model.bin"
    )
    testbed.run("wait", attack)
    assert testbed.run("logs", attack).stdout == "weights from .tiltyard/inputs/model/model.bin\n"
