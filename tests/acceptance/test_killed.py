"""Whatever is killed, no job is lost: each part in turn, with SIGKILL, under a job that runs."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.test_first_attack import events_of, sleepers, submitted
from tests.acceptance.testbed import Testbed, embedded
from tests.servers import PATIENCE, wait_for

PARTS = {"worker": ("worker", "--queue", "cpu"), "gateway": ("gateway", "--port")}
"""The words of each part's command line, by which its processes are known."""


def processes_of(testbed: Testbed, *words: str) -> list[psutil.Process]:
    """The processes of a testbed whose command line has these words."""
    roots = [psutil.Process(process.pid) for process in testbed.processes.values() if process.poll() is None]
    every = {child for root in roots for child in [root, *root.children(recursive=True)]}
    return [process for process in every if all(word in " ".join(cmdline(process)) for word in words)]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill(testbed: Testbed, part: str) -> None:
    """Kill a part of the testbed, with all the processes that it consists of."""
    targets = processes_of(testbed, *PARTS[part])
    assert targets, f"no process of {part} to kill"
    for process in targets:
        process.send_signal(signal.SIGKILL)
    if part in testbed.restart:
        testbed.processes[part].wait()
        testbed.restart[part]()


def sleeping(testbed: Testbed, probe: Path, seconds: float) -> str:
    """A job that sleeps so long, and does not where it is run again."""
    job = submitted(testbed, str(probe), "-x", "killed", "-e", "sleep", "-P", f"seconds={seconds}")
    wait_for(lambda: "asleep" in testbed.run("logs", job).stdout)
    return job


def test_a_job_whose_worker_is_killed_runs_again(testbed: Testbed, probe: Path) -> None:
    job = sleeping(testbed, probe, 600)
    kill(testbed, "worker")
    ended = testbed.until_state(job, "succeeded", "failed")
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
    frames = events_of(testbed, job)[:-1]
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    wait_for(lambda: sleepers() == 0)


def test_a_follower_and_a_job_outlive_a_killed_gateway(testbed: Testbed, probe: Path) -> None:
    job = sleeping(testbed, probe, 6)
    command = [*follow_command(), job, "-f", "--json"]
    follower = subprocess.Popen(command, env=testbed.environment, stdout=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    first = follower.stdout.readline()  # from then on it follows, and is no first request that finds nobody
    kill(testbed, "gateway")
    frames = [json.loads(line) for line in [first, *follower.stdout]]
    follower.stdout.close()
    assert follower.wait(PATIENCE) == 0
    assert [frame["seq"] for frame in frames[:-1]] == list(range(len(frames) - 1))
    assert (frames[-1]["kind"], frames[-1]["state"]) == ("end", "succeeded")
    assert testbed.job(job)["attempt"] == 1, "a gateway that was away costs no attempt"


def follow_command() -> list[str]:
    from tests.acceptance.testbed import TILTYARD

    return [TILTYARD, "events"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Any]:
    """An embedded testbed of this test's own, that may be killed whole."""
    yield lambda: embedded(tmp_path, mlflow=False)
    leftovers = [process for process in psutil.process_iter() if str(tmp_path) in " ".join(cmdline(process))]
    for process in leftovers:
        process.kill()
    assert not leftovers


def test_killing_the_whole_testbed_half_way_loses_no_job(own: Any, probe: Path, tmp_path: Path) -> None:
    with own() as testbed:
        running = sleeping(testbed, probe, 600)
        queued = [submitted(testbed, str(probe), "-x", "killed", "-P", f"n={n}") for n in range(3)]
        os.kill(testbed.processes["up"].pid, signal.SIGKILL)
        wait_for(lambda: not any(str(tmp_path) in " ".join(cmdline(p)) for p in psutil.process_iter()))
        wait_for(lambda: sleepers() == 0)
    with own() as again:
        for job in [running, *queued]:
            again.run("wait", job)
            frames = events_of(again, job)[:-1]
            assert [frame["seq"] for frame in frames] == list(range(len(frames)))


def test_a_stopped_testbed_hands_its_job_back_and_goes_on(own: Any, probe: Path) -> None:
    with own() as testbed:
        job = sleeping(testbed, probe, 600)
        testbed.processes["up"].terminate()
        assert testbed.processes["up"].wait(PATIENCE) == 0
        wait_for(lambda: sleepers() == 0)
    with own() as again:
        again.run("wait", job)
        assert again.job(job)["attempt"] == 1, "an attempt that was handed back does not count"
