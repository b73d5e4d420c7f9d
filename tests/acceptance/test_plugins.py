"""Plugins on a whole testbed: pushed and used while it runs, updated under load, and refused without harm."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.acceptance.test_first_attack import submitted
from tests.acceptance.testbed import Testbed
from tiltyard import Client

UPDATES = int(os.environ.get("TILTYARD_TEST_UPDATES", "3"))
"""How many versions are pushed under load: 50 show it at length."""
PAUSE = 0.5
TASK = """
from tiltyard import task

VERSION = "{version}"

@task
def version() -> str:
    return VERSION
"""


def plugin(folder: Path, version: str, *, name: str, source: str = TASK) -> Path:
    """A plugin's folder, written anew."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / name).mkdir(parents=True)
    (folder / "plugin.toml").write_text(f'name = "{name}"\nversion = "{version}"\n')
    (folder / name / "__init__.py").write_text("")
    (folder / name / "now.py").write_text(source.replace("{version}", version))
    return folder


def user_of(folder: Path, name: str, seconds: float = 0) -> Path:
    """An entry point that prints which version of a plugin it has."""
    folder.mkdir()
    (folder / "MLproject").write_text(
        f"plugins: [{name}]\nentry_points: {{main: {{command: python use.py}}}}\n"
    )
    (folder / "use.py").write_text(
        f"import time\nfrom {name}.now import version\ntime.sleep({seconds})\nprint(version())\n"
    )
    return folder


def test_a_job_keeps_the_version_that_was_current_when_it_was_submitted(
    testbed: Testbed, tmp_path: Path
) -> None:
    name = f"kept_{testbed.ring}"
    entry_point = user_of(tmp_path / "use", name)
    assert testbed.run("plugin", "push", str(plugin(tmp_path / "p", "1.0", name=name))).stdout.strip() == (
        f"{name}==1.0"
    )
    testbed.run("queue", "pause", "cpu")
    try:
        old = submitted(testbed, str(entry_point), "-x", "plugins")
        pushed = testbed.run("plugin", "push", "--no-wait", str(plugin(tmp_path / "p", "2.0", name=name)))
        assert pushed.stdout.strip() == f"{name}==2.0"
        assert old in testbed.run("plugin", "delete", name, "1.0", code=1).stderr
    finally:
        testbed.run("queue", "resume", "cpu")
    testbed.run("wait", old)
    testbed.run("plugin", "push", str(tmp_path / "p"))
    new = submitted(testbed, str(entry_point), "-x", "plugins")
    named = submitted(testbed, str(entry_point), "-x", "plugins", "--plugin", f"{name}==1.0")
    testbed.run("wait", new, named)
    assert [testbed.run("logs", job).stdout.strip() for job in (old, new, named)] == ["1.0", "2.0", "1.0"]


def test_updates_under_load_change_what_new_jobs_get_and_nothing_else(
    testbed: Testbed, tmp_path: Path
) -> None:
    name = f"moving_{testbed.ring}"
    entry_point = user_of(tmp_path / "use", name)
    testbed.run("plugin", "push", str(plugin(tmp_path / "p", "1.0", name=name)))
    done = Event()

    def submit_until_done() -> list[str]:
        jobs = []
        with Client(testbed.url, testbed.token) as client:
            while not done.wait(PAUSE):
                jobs.append(client.submit(entry_point, experiment="plugins").id)
        return jobs

    with ThreadPoolExecutor(1) as load:
        submitting = load.submit(submit_until_done)
        try:
            for number in range(1, UPDATES + 1):
                testbed.run("plugin", "push", str(plugin(tmp_path / "p", f"1.{number}", name=name)))
        finally:
            done.set()
        jobs = submitting.result()
    testbed.run("wait", *jobs, seconds=1200)
    found = [testbed.job(job) for job in jobs]
    pinned = [int(job["plugins"][0]["version"].split(".")[1]) for job in found]
    ran = [int(testbed.run("logs", job).stdout.split(".")[1]) for job in jobs]
    assert ran == pinned
    assert pinned == sorted(pinned)
    assert {job["attempt"] for job in found} == {1}
    assert len(set(pinned)) > 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from tiltyard import task\n\n@task\ndef f(): ...\n\nraise ValueError('not today')\n", "ValueError: not today"),
        ("import sys\nfrom tiltyard import task\n\n@task\ndef f(): ...\n\nsys.exit(3)\n", "exits"),
        ("from tiltyard import task\n\n@task\ndef f(x: Nobody): ...\n", "Nobody"),
        ("from tiltyard import task\n\n@task\ndef f(: ...\n", "now.py:4"),
    ],
)  # fmt: skip
def test_a_plugin_that_is_not_to_be_used_says_why_and_the_one_before_stays(
    testbed: Testbed, tmp_path: Path, source: str, told: str
) -> None:
    name = f"broken_{testbed.ring}"
    testbed.run("plugin", "push", str(plugin(tmp_path / "p", "1.0", name=name)))
    broken = plugin(tmp_path / "p", f"2.{abs(hash(source))}", name=name, source=source)
    refused = testbed.run("plugin", "push", str(broken), code=1)
    assert told in refused.stderr
    [found] = [one for one in testbed.json("plugin", "ls") if one["name"] == name]
    assert found["current"] == "1.0"


def test_a_version_is_for_ever(testbed: Testbed, tmp_path: Path) -> None:
    name = f"fixed_{testbed.ring}"
    testbed.run("plugin", "push", str(plugin(tmp_path / "p", "1.0", name=name)))
    testbed.run("plugin", "push", str(tmp_path / "p"))
    other = plugin(tmp_path / "p", "1.0", name=name, source=TASK + "\n# other\n")
    assert "1.0" in testbed.run("plugin", "push", str(other), code=1).stderr
