"""`tiltyard run`: the same reading and the same events as a job's, without a testbed. No flow runs here, so no server does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PATIENCE
from tiltyard.archive.packing import MADE_HERE
from tiltyard_workers.running_locally.prefect_here import hold

MLPROJECT = """\
name: mine
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
    command: python attack.py --eps {eps}
"""
SCRIPT = """\
import os, pathlib, sys, tiltyard
print("eps", sys.argv[2])
print("<class 'int'>", file=sys.stderr)
tiltyard.metric("accuracy", 0.5, step=1)
tiltyard.progress(1, 2, "half")
pathlib.Path("outputs").mkdir(exist_ok=True)
path = pathlib.Path("outputs/curve.txt")
path.write_text("curve")
tiltyard.artifact(path)
import helper
print(helper.NAME, os.environ["TILTYARD_JOB_ID"])
"""


SAY = "from tiltyard import task\n\n@task\ndef say(text: str) -> None: ...\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "attack.py").write_text(SCRIPT)
    (folder / "helper.py").write_text("NAME = 'helper'\n")
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tiltyard.cli", "run", *map(str, arguments)],
        # Nobody is asked at this address: a script without a flow needs no server.
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )


def test_a_script_runs_where_it_lies_and_tells_what_a_job_tells(project: Path) -> None:
    done = run(project, "-P", "eps=0.2", "--json", "--outputs", project.parent / "kept")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    printed = {one["data"]["stream"]: "" for one in events if one["kind"] == "log"}
    for one in events:
        if one["kind"] == "log":
            printed[one["data"]["stream"]] += one["data"]["text"]
    assert printed == {"stdout": "eps 0.2\nhelper local\n", "stderr": "<class 'int'>\n"}
    rest = [(one["kind"], one["data"]) for one in events if one["kind"] not in ("log", "progress")]
    assert rest == [
        ("metric", {"name": "accuracy", "value": 0.5, "step": 1}),
        ("artifact", {"path": "outputs/curve.txt", "size": 5}),
        ("state", {"state": "succeeded"}),
    ]
    assert [one["seq"] for one in events] == list(range(len(events)))
    assert (project.parent / "kept/curve.txt").read_text() == "curve"
    assert [path.name for path in (project.parent / "kept").iterdir()] == ["curve.txt"]
    assert (project / "outputs" / MADE_HERE).exists(), "the next submission leaves the folder out"


def test_a_person_sees_what_was_printed_and_how_it_ended(project: Path) -> None:
    (project / "attack.py").write_text("import sys; print('hello'); sys.exit(3)")
    done = run(project)
    assert (done.returncode, done.stdout) == (1, "hello\n")
    assert "failed after" in done.stderr
    assert "The entry point exited with code 3." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-P", "eps=much"], "'eps': \"much\" is not a finite number"),
        (["-P", "ep=1"], "did you mean 'eps'?"),
        (["-e", "mian"], "did you mean 'main'?"),
        (["--plugin", "."], "it has several packages"),
    ],
)
def test_what_cannot_run_is_told_before_anything_starts(
    project: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (project.parent / name).mkdir()
        (project.parent / name / "a.py").write_text("")
    monkeypatch.chdir(project.parent)
    done = run(project, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (project / "outputs").exists()


def test_a_folder_without_an_mlproject_says_what_to_give(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert "give its folder, or a graph as .yaml" in done.stderr


def test_a_graph_by_itself_is_checked_with_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "attack.yaml").write_text("graph:\n  a: {no.such.task: }\n  b: {c: $a, retries: x}\n")
    done = run(tmp_path / "attack.yaml")
    assert done.returncode == 2
    assert "attack.yaml:3:23: `retries` is a whole number" in done.stderr
    (tmp_path / "attack.yaml").write_text("graph:\n  a: {no.such.task: }\n")
    said = "there is no plugin 'no' here: give its folder or archive with --plugin"
    assert said in run(tmp_path / "attack.yaml").stderr


def test_all_that_is_wrong_with_a_graph_its_values_and_the_plugins_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "MLproject").write_text("entry_points: {main: {graph: a.yaml, parameters: {n: integer}}}")
    (tmp_path / "a.yaml").write_text(
        "plugins: [gone, bad]\ngraph:\n  a: {no.such.task: $b}\n  c: {mine.say: [1, 2]}\n"
    )
    for name, text in (
        ("bad", "from tiltyard import task\n@task\ndef f(x: int -> int: ...\n"),
        ("mine", SAY),
    ):
        (tmp_path / "plugins" / name).mkdir(parents=True)
        (tmp_path / "plugins" / name / "a.py").write_text(text)
    plugins = tmp_path / "plugins"
    done = run(tmp_path, "-P", "n=much", "--plugin", plugins / "bad", "--plugin", plugins / "mine", "--json")
    assert done.returncode == 2, done.stderr
    assert [one["code"] for one in json.loads(done.stdout)["errors"]] == [
        "not_python",
        "unknown_plugin",
        "unknown_plugin",
        "unknown_reference",
        "mistyped_argument",
        "surplus_argument",
        "mistyped_parameter",
    ]
    done = run(tmp_path, "-P", "n=much", "--plugin", plugins / "mine", "-e", "mian")
    assert "did you mean 'main'?" in done.stderr


def test_a_server_is_held_no_longer_than_it_was_used(tmp_path: Path) -> None:
    (tmp_path / "used").touch()
    hold(tmp_path, 0.0)
    assert (tmp_path / "kept").exists()
