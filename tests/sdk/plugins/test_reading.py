"""A plugin is read whole, from what is written in it, and all that is wrong is told at once."""

import sys

import pytest

from tests.sdk.plugins.sources import IMPORT, codes, plugin, read
from tiltyard.plugins import PluginSource, read_plugin

TASK = IMPORT + "@task\ndef f() -> int: return 1\n"


def test_a_plugin_is_read_with_its_tasks():
    found = read(fgm=TASK, sub__INIT="", sub__pgd=TASK.replace("def f", "def g"))
    assert (found.name, found.version) == ("attacks", "1.0")
    assert [task.path for task in found.tasks] == ["attacks.fgm.f", "attacks.sub.pgd.g"]
    assert {(task.plugin, task.version) for task in found.tasks} == {("attacks", "1.0")}


def test_nothing_of_a_plugin_is_run(tmp_path):
    """A plugin that leaves a mark when it is imported leaves none."""
    mark = tmp_path / "mark"
    harm = f"open({str(mark)!r}, 'w').close()\nimport sys\nsys.exit(3)\n" + TASK
    before = set(sys.modules)
    found = read(harm=harm, INIT=f"open({str(mark)!r}, 'w')\n")
    assert found.tasks
    assert not mark.exists()
    assert not {name for name in set(sys.modules) - before if name.startswith("attacks")}


def test_everything_that_is_wrong_is_told_at_once_with_its_place():
    files = plugin(
        broken="def f(:\n",
        types=IMPORT + "@task\ndef g(x: Nothing) -> int: ...\n",
        options=IMPORT + "N = 1\n@task(retries=N)\ndef h(): ...\n",
    )
    found = read_plugin(files, name="torch", version="no version", libraries=["torch"])
    assert isinstance(found, list)
    assert [item.code for item in found] == ["no_package"]
    found = read_plugin(files, version="no version", libraries=["attacks"])
    assert isinstance(found, list)
    told = [(item.code, item.pointer, item.line, item.column) for item in found]
    assert told == [
        ("shadows_library", "/", None, None),
        ("bad_version", "/", None, None),
        ("not_python", "/attacks/broken.py", 1, 7),
        ("bad_option", "/attacks/options.py", 3, 15),
        ("unknown_type", "/attacks/types.py", 3, 10),
    ]


@pytest.mark.parametrize(
    "name", ["json", "tiltyard", "tiltyard_more", "tiltyard_plugins", "dioptra", "sitecustomize"]
)
def test_a_name_that_would_hide_something_is_refused(name):
    files = {f"{name}/a.py": TASK.encode()}
    assert codes(files, version="1") == ["shadows_library"]


def test_only_the_built_in_collection_has_its_name():
    found = read_plugin({"tiltyard_plugins/a.py": TASK.encode()}, version="1", built_in=True)
    assert isinstance(found, PluginSource)


@pytest.mark.parametrize("name", ["Attacks", "my-attacks", "1st", "a" * 101, "class", "ä"])
def test_a_name_that_is_no_lower_case_identifier_is_refused(name):
    assert codes({f"{name}/a.py": TASK.encode()}, version="1") == ["bad_name"]


@pytest.mark.parametrize("version", ["", "1 0", "-1", "1/0", "v" * 65, "1\n"])
def test_a_version_is_a_word(version):
    assert codes({"attacks/a.py": TASK.encode()}, version=version) == ["bad_version"]


def test_a_plugin_without_a_version_is_told_how_to_say_one():
    assert codes({"attacks/a.py": TASK.encode()}) == ["bad_version"]


def test_two_tasks_of_one_name_are_refused_with_both_places():
    found = read_plugin(plugin(a=TASK, b=TASK))
    assert isinstance(found, list)
    [item] = found
    assert (item.code, item.pointer, item.line) == ("duplicate_task", "/attacks/b.py", 3)
    assert "attacks/a.py, line 3" in item.detail


def test_a_second_task_of_one_name_hides_nothing_that_is_wrong_with_it():
    second = IMPORT + "@task(name='fgm', retries=-1, timeout='never', size=5)\ndef g(x: 5) -> Nothing: ...\n"
    found = read_plugin(plugin(a=IMPORT + "@task\ndef fgm(): ...\n", b=second))
    assert isinstance(found, list)
    assert [(item.code, item.line, item.column) for item in found] == [
        ("bad_option", 2, 27),
        ("bad_option", 2, 39),
        ("bad_option", 2, 53),
        ("duplicate_task", 3, 1),
        ("unknown_type", 3, 10),
        ("unknown_type", 3, 16),
    ]


def test_one_of_two_definitions_under_a_condition_is_one_task():
    text = (
        IMPORT
        + "try:\n  import torch\n  @task\n  def f(): ...\nexcept ImportError:\n  @task\n  def f(): ...\n"
    )
    found = read(a=text)
    assert [task.name for task in found.tasks] == ["f"]
    assert found.conditional == {"attacks.a.f"}


def test_helpers_without_a_task_are_no_plugin():
    assert codes(plugin(a="def f(): ...\n")) == ["no_tasks"]


def test_classes_that_save_artifacts_for_dioptra_are_enough():
    text = (
        "from dioptra.sdk.api.artifact import ArtifactTaskInterface\nclass Text(ArtifactTaskInterface): ...\n"
    )
    assert read(tasks=text).tasks == []
