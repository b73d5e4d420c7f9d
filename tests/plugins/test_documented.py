"""Every task says what it takes, what it gives and, if it attacks or defends, from where and against whom."""

import re
from pathlib import Path

import pytest

import tiltyard_plugins
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.plugins import Task

NOT_AN_ATTACK = {"metric", "picture", "data", "trigger", "features", "control"}


def tasks() -> list[Task]:
    package = Path(tiltyard_plugins.__file__).parent
    source = read_plugin(package, name="tiltyard_plugins", version="0", built_in=True)
    assert isinstance(source, PluginSource), source
    return source.tasks


def tagged(*tags: str) -> list[Task]:
    return [task for task in tasks() if {*tags} & {*task.tags} and not NOT_AN_ATTACK & {*task.tags}]


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
def test_a_task_says_in_words_what_it_takes_and_gives(task: Task) -> None:
    assert task.summary
    silent = [one.name for one in (*task.inputs, *task.outputs) if not one.help and not one.type.words]
    assert silent == []


@pytest.mark.parametrize(
    "task", tagged("evasion", "poisoning", "privacy", "extraction", "defence"), ids=lambda task: task.name
)
def test_attacks_and_defences_name_their_source_and_their_places_in_the_taxonomies(task: Task) -> None:
    assert "Source:" in task.description
    assert re.search(r"NISTAML\.\d{3}", task.description)
    assert re.search(r"AML\.[MT]\d{4}", task.description)
    assert any(re.fullmatch(r"AML\.[MT]\d{4}(\.\d{3})?", tag) for tag in task.tags)


@pytest.mark.parametrize(
    "task", tagged("evasion", "poisoning", "privacy", "extraction"), ids=lambda task: task.name
)
def test_attacks_say_what_the_attacker_knows(task: Task) -> None:
    if "defence" not in task.tags:
        assert re.search(r"Threat model:|White box|Black box", task.description)
