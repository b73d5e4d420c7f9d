"""`tiltyard plugin new` and `plugin test`, as their author's hands use them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from tests.sdk.plugins.sources import IMPORT
from tiltyard.cli.options import group
from tiltyard.cli.plugin_local import new, try_out
from tiltyard.plugins import PluginSource, read_plugin


def app() -> typer.Typer:
    plugin = group("Plugins.")
    plugin.command("new")(new)
    plugin.command("test")(try_out)
    return plugin


def run(*arguments: object):
    return CliRunner().invoke(app(), [str(one) for one in arguments])


@pytest.fixture
def made(tmp_path):
    done = run("new", "mine", "--into", tmp_path)
    assert done.exit_code == 0, done.output
    return tmp_path / "mine"


def test_a_new_plugin_says_where_it_is_and_what_is_next(made):
    done = run("new", "other", "--into", made.parent)
    folder = made.parent / "other"
    assert done.stdout == f"{folder}\n"
    assert f"tiltyard plugin test {folder}" in done.stderr
    assert f"tiltyard plugin push {folder}" in done.stderr
    assert f"tiltyard submit {folder / 'example.yaml'} --follow" in done.stderr


def test_a_new_plugin_is_right_and_its_graph_names_its_task(made):
    found = read_plugin(made)
    assert isinstance(found, PluginSource)
    [task] = found.tasks
    assert [one.name for one in task.inputs] == ["labels", "fraction", "classes", "seed"]
    assert all(one.help for one in [*task.inputs, *task.outputs])
    graph = yaml.safe_load((made / "example.yaml").read_text())
    assert graph["plugins"] == [found.name]
    assert task.name in graph["graph"]["poisoned"]


def test_a_new_plugin_passes_its_own_tests_and_leaves_no_litter(made):
    before = sorted(made.rglob("*"))
    command = [
        sys.executable,
        "-c",
        "from tests.sdk.plugins.test_commands import app; app()()",
        "test",
        str(made),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "flip_labels\tin\tfraction\tfloat\t0.1\thow many of them to flip; share of the labels, 0 to 1"
        in done.stdout
    )
    assert "mine: 2 of 2 modules loaded" in done.stdout
    assert "3 passed" in done.stdout
    assert f"It is ready to be pushed: tiltyard plugin push {made}" in done.stderr
    assert sorted(made.rglob("*")) == before


@pytest.mark.parametrize("name", ["json", "pydantic", "my-plugin", "tiltyard_x"])
def test_a_name_that_no_plugin_may_have_is_refused_before_anything_is_written(name, tmp_path):
    done = run("new", name, "--into", tmp_path)
    assert done.exit_code == 1
    assert name in done.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(made):
    (made / "README.md").write_text("mine")
    done = run("new", "mine", "--into", made.parent)
    assert (done.exit_code, (made / "README.md").read_text()) == (1, "mine")
    assert "is there already" in done.stderr


def test_all_that_is_wrong_is_told_by_file_and_line(made):
    (made / "mine" / "a.py").write_text(IMPORT + "@task(retry=1)\ndef f(x: Nothing): ...\n")
    (made / "mine" / "b.py").write_text("x = (\n")
    done = run("test", made)
    assert done.exit_code == 1
    assert f"{made}/mine/a.py:2:13: there is no option retry" in done.stderr
    assert f"{made}/mine/a.py:3:10: Nothing is no type that is known" in done.stderr
    assert f"{made}/mine/b.py:1:5: it does not parse" in done.stderr


def test_a_module_that_does_not_load_is_told_by_its_own_file(made):
    (made / "mine" / "bad.py").write_text("1 / 0\n")
    done = run("test", made)
    assert done.exit_code == 1
    assert f'File "{made}/mine/bad.py", line 1' in done.stdout
    assert "mine does not load here" in done.stderr


def test_the_wrong_folder_is_told_as_what_it_is(made, tmp_path):
    inner = run("test", made / "mine")
    assert "It is the package alone: give the folder around it, which has the plugin.toml" in inner.stderr
    entry = tmp_path / "attack"
    entry.mkdir()
    (entry / "MLproject").write_text("name: attack\n")
    (entry / "attack.py").write_text("print()\n")
    assert "It looks like an entry point: `tiltyard submit` runs those" in run("test", entry).stderr


def test_the_folder_around_a_plugins_own_is_tried_with_its_tests(made, tmp_path):
    done = run("test", made.parent)
    assert (done.exit_code, "It is ready to be pushed" in done.stderr) == (0, True), done.output


def test_json_is_all_that_is_printed(made):
    (made / "tests" / "test_mine.py").unlink()
    found = json.loads(run("test", made, "--json").stdout)
    assert (found["plugin"], found["loads"], found["tests"], found["problems"]) == ("mine", True, "none", [])
    (made / "mine" / "b.py").write_text("x = (\n")
    assert json.loads(run("test", made, "--json").stdout)["problems"][0]["code"] == "not_python"
    assert json.loads(run("new", "more", "--into", made, "--json").stdout)["folder"] == str(made / "more")


def test_a_plugin_of_dioptras_loads_with_what_jobs_have(tmp_path):
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "tasks.py").write_text(
        "from dioptra import pyplugs\n@pyplugs.register\ndef hi(name): return name\n"
    )
    done = run("test", tmp_path / "hello", "--version", "1")
    assert done.exit_code == 0, done.output
    assert "hello.tasks: loaded" in done.stdout
