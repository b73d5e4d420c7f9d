"""Sweeps through the Python client and the command line, against a real gateway whose jobs the test runs."""

import json
from pathlib import Path

import pytest

from tests.sdk.site import Site
from tests.servers import PATIENCE
from tiltyard import Client, Refused
from tiltyard.wire import Axis, End, Event, SweepState


def run_all(site: Site, client: Client, sweep: str, *, failing: int = -1) -> None:
    """End every job of a sweep that has not ended."""
    for cell in list(client.sweep_cells(sweep)):
        if cell.job and cell.state and not cell.state.final:
            attempt = site.claim(cell.job)
            if cell.number == failing:
                attempt.finish("failed", reason="exit_code", exit_code=1)
            else:
                attempt.finish("succeeded")


def test_a_sweep_is_submitted_followed_and_not_run_twice(site: Site, client: Client, project: Path) -> None:
    numpy = pytest.importorskip("numpy")
    axes = {"eps": numpy.array([0.0, 0.5]), "label": ["a", "b"]}
    sweep = client.submit_sweep(project, experiment="swept", axes=axes)
    assert (sweep.cells, sweep.state) == (4, SweepState.running)
    run_all(site, client, sweep.id, failing=3)
    frames = list(client.follow_sweep(sweep.id[:10]))
    assert len([frame for frame in frames if isinstance(frame, End)]) == 4
    assert {frame.job for frame in frames if isinstance(frame, Event)} == {
        cell.job for cell in client.sweep_cells(sweep)
    }
    assert client.wait_sweep(sweep, timeout=PATIENCE).state is SweepState.failed
    assert client.retry_sweep(sweep).made == 1
    run_all(site, client, sweep.id)
    assert client.wait_sweep(sweep).state is SweepState.succeeded
    longer = client.submit_sweep(
        project,
        experiment="swept",
        axes=[Axis(parameter="eps", start=0, stop=1, count=3), Axis(parameter="label", values=["a", "b"])],
        max_parallel=1,
    )
    assert (longer.reused, longer.held) == (4, 1)
    assert client.update_sweep(longer, max_parallel=None).max_parallel is None
    assert [one.id for one in client.sweeps(experiment="swept")] == [longer.id, sweep.id]
    assert client.cancel_sweep(longer).jobs == {"succeeded": 4, "cancelled": 2}


def test_a_sweep_that_does_not_end_in_time_is_a_time_out(client: Client, project: Path) -> None:
    sweep = client.submit_sweep(project, experiment="late", axes={"eps": [1, 2]}, mode="zip")
    with pytest.raises(TimeoutError):
        client.wait_sweep(sweep, timeout=0.1)
    client.pause_sweep(sweep)
    assert client.sweep(sweep.id[:8]).state is SweepState.paused
    client.resume_sweep(sweep)
    client.cancel_sweep(sweep)


def test_a_dry_run_makes_nothing(site: Site, client: Client, project: Path) -> None:
    done = site.run("sweep", str(project), "-P", "eps=0:0.2:3", "-x", "dry", "--dry-run")
    assert done.stdout == "3 cells, 0 known already, 3 to run; nothing was made\n"
    told = site.run("sweep", "run", str(project), "-P", "eps=0,1", "-x", "dry", "--dry-run", "--json").stdout
    assert json.loads(told)["jobs"] == 2
    assert list(client.sweeps(experiment="dry")) == []


def test_the_command_line_submits_steers_and_waits(site: Site, client: Client, project: Path) -> None:
    done = site.run(
        "sweep", str(project), "-P", "eps=0:0.2:3", "-P", 'label="a,b",c', "-x", "cli", "--max-parallel", "2"
    )
    (sweep,) = done.stdout.splitlines()
    assert "6 cells" in done.stderr
    assert f"tiltyard sweep wait {sweep[:8]}" in done.stderr
    shown = json.loads(site.run("sweep", "status", sweep[:8], "--json").stdout)
    assert [axis["values"] for axis in shown["axes"]] == [[0, 0.1, 0.2], ["a,b", "c"]]
    assert site.run("sweep", "ls", "-x", "cli").stdout.startswith(sweep)
    site.run("sweep", "pause", sweep)
    assert "state\tpaused" in site.run("sweep", "status", sweep).stdout
    site.run("sweep", "resume", sweep)
    site.run("sweep", "limit", sweep, "0")
    assert len(site.run("sweep", "cells", sweep).stdout.splitlines()) == 6
    run_all(site, client, sweep, failing=0)
    assert "5 succeeded, 1 failed" in site.run("sweep", "wait", sweep, code=1).stdout
    assert "1 run again" in site.run("sweep", "retry", sweep).stderr
    site.run("sweep", "cancel", sweep)
    site.run("sweep", "wait", sweep, code=3)
    site.run("sweep", "retry", sweep, "--cancelled")
    run_all(site, client, sweep)
    again = site.run("sweep", "-P", "eps=0.1,0", "-P", "label=c,", str(project), "-x", "cli", "--wait")
    assert "2 known already" in again.stderr
    assert "succeeded: 2 succeeded" in again.stdout


def test_everything_wrong_with_a_sweep_is_said_at_once_with_its_place(site: Site, project: Path) -> None:
    wrong = ["-P", "eps=much,0.1", "-P", "eqs=1,2", "--set", "label=x", "--zip", "-x", "wrong", "-q", "cqu"]
    done = site.run("sweep", str(project), *wrong, code=1)
    assert done.stdout == ""
    for pointer in ("/axes/0/values/0", "/axes/1/parameter", "/queue"):
        assert f"tiltyard: {pointer}: " in done.stderr
    assert site.run("sweep", "ls", "-x", "wrong").stdout == ""


def test_what_cannot_be_meant_is_a_usage_error(site: Site, client: Client, project: Path) -> None:
    site.run("sweep", "nowhere", code=2)
    site.run("sweep", "pasue", "feed", code=2)
    site.run("sweep", str(project), "-P", "eps=1", code=2)
    site.run("sweep", str(project), "-P", "eps=1,2", "--zip", "--random", "3", code=2)
    site.run("sweep", "status", "feedfacefeed", code=1)
    with pytest.raises(Refused):
        client.submit_sweep(project, experiment="x", axes={"eps": []})
