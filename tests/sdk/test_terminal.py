"""On a terminal: tables for people, and no job drives it."""

import os
import pty
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.sdk.site import TILTYARD, Site
from tests.servers import PATIENCE
from tiltyard.cli.root import OWN, load
from tiltyard.cli.show import age, lasted, safe, size


def on_terminal(site: Site, *arguments: str, **more: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [TILTYARD, *arguments],
        env=site.environment(TERM="xterm", **more),
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # the other side is closed: Linux says so with EIO
    os.close(ours)
    process.wait(PATIENCE)
    return shown.decode()


def test_a_hostile_log_does_not_reach_the_terminal_as_commands(site: Site, job: str) -> None:
    attempt = site.claim(job)
    hostile = "\x1b]0;owned\x07\x1b[2Jred\x9b31m\x08\u202e\n"
    attempt.print(hostile)
    attempt.finish("failed", reason="exit_code", message="\x1b[2Jgone")
    for command in (["logs", job], ["logs", "-f", job], ["events", job], ["status", job], ["wait", job]):
        shown = on_terminal(site, *command)
        bad = [mark for mark in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\x08", "\u202e") if mark in shown]
        assert bad == [], (command, shown)
    assert "\\x1b]0;owned" in on_terminal(site, "logs", job)
    assert site.run("logs", job).stdout == hostile


def test_a_list_is_a_table_on_a_terminal_and_lines_in_a_pipe(site: Site, job: str) -> None:
    shown = on_terminal(site, "ls")
    assert "EXPERIMENT" in shown
    assert job in shown
    (line,) = [line for line in site.run("ls").stdout.splitlines() if line.startswith(job)]
    assert line.split("\t")[1:5] == ["queued", "probe", "main", "cpu"]


def test_a_narrow_terminal_leaves_ids_and_states_whole_and_a_job_one_line(site: Site, job: str) -> None:
    shown = on_terminal(site, "ls", NO_COLOR="1", COLUMNS="60").splitlines()
    (at,) = [at for at, line in enumerate(shown) if line.startswith(f"{job}  queued  ")]
    assert not shown[at + 1 :] or not shown[at + 1].startswith(" "), "its parameters go on in no second line"


def test_following_says_when_a_job_that_prints_nothing_yet_runs_and_where(site: Site, job: str) -> None:
    attempt = site.claim(job)
    attempt.release()
    again = site.claim(job)
    again.finish()
    shown = on_terminal(site, "logs", "-f", job)
    told = [line.rstrip(".\r ") for line in shown.splitlines()[:4]]
    waiting = ["Waiting for a worker of the queue cpu", "Running on w1"]
    assert told == [*waiting, "Queued again (released)", "Running on w1"]


def test_status_says_what_can_be_done_next(site: Site, job: str) -> None:
    shown = on_terminal(site, "status", job)
    for words in ("queued", "eps", "attempt", "0 of at most 3", f"tiltyard cancel {job[:8]}"):
        assert words in shown


@pytest.mark.parametrize("name", OWN)
def test_each_verb_that_is_listed_is_there_and_explains_itself(name: str) -> None:
    target, line = OWN[name]
    assert line.endswith(".")
    assert load(target).help


def test_no_verb_s_line_is_cut_off_on_a_usual_terminal(site: Site) -> None:
    shown = on_terminal(site, "--help", COLUMNS="80")
    assert "import-dioptra" in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_lengths_are_for_people() -> None:
    assert [lasted(seconds) for seconds in (0, 59.9, 61, 3_700, 90_000, 300_000)] == [
        "0s", "59s", "1m01s", "1h01m", "25h00m", "3d",
    ]  # fmt: skip
    now = datetime.now(UTC)
    assert age(now - timedelta(minutes=5), now) == "5m00s"
    assert [size(count) for count in (12, 2048, 3 * 2**30)] == ["12 B", "2.0 KiB", "3.0 GiB"]
    assert (
        safe("tab\tand\nnewline stay, \x1b and \x7f do not")
        == "tab\tand\nnewline stay, \\x1b and \\x7f do not"
    )
