"""The files of a first plugin, which works as it is: a task that flips labels, its test, and a graph that uses it."""

from collections.abc import Mapping

_MANIFEST = """name = "{name}"
version = "0.1"
description = "Flips labels of a training set."
# Libraries that the worker's image must have; they are checked, not installed:
# requires = ["numpy>=2", "scikit-learn"]
"""

_INIT = '''"""Tasks of our own."""
'''

_TASKS = '''"""Flips labels: the simplest way to poison a training set."""

import random
from typing import Annotated

from tiltyard import task

Labels = Annotated[list[int], "one per example, from 0 to classes - 1"]


@task(outputs={{"labels": Labels, "flipped": list[int]}}, tags=["poisoning"])
def flip_labels(
    labels: Labels,
    fraction: Annotated[float, "share of the labels, 0 to 1"] = 0.1,
    classes: int = 10,
    seed: int = 0,
) -> tuple[list[int], list[int]]:
    """Give some examples a wrong label, chosen at random.

    Args:
        labels: the right ones.
        fraction: how many of them to flip.
        classes: how many different labels there are.
        seed: the same seed flips the same labels to the same others.

    Returns:
        labels: all labels, with the wrong ones in their places.
        flipped: the positions of the wrong ones, in order.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {{fraction}}: it is a share, from 0 to 1")
    chance = random.Random(seed)
    flipped = sorted(chance.sample(range(len(labels)), round(fraction * len(labels))))
    wrong = list(labels)
    for position in flipped:
        wrong[position] = chance.choice([label for label in range(classes) if label != labels[position]])
    return wrong, flipped
'''

_TESTS = '''"""A task is a plain function: it is called and tested without a testbed."""

import pytest

from {name}.poisoning import flip_labels

LABELS = [0, 1, 2, 3] * 25


def test_as_many_labels_are_wrong_as_were_asked_for():
    wrong, flipped = flip_labels(LABELS, fraction=0.2, classes=4)
    assert [position for position in range(100) if wrong[position] != LABELS[position]] == flipped
    assert len(flipped) == 20


def test_the_same_seed_flips_the_same_labels():
    assert flip_labels(LABELS, seed=1) == flip_labels(LABELS, seed=1)
    assert flip_labels(LABELS, seed=1) != flip_labels(LABELS, seed=2)


def test_a_share_is_at_most_one():
    with pytest.raises(ValueError, match="share"):
        flip_labels(LABELS, fraction=2)
'''

_GRAPH = """# A graph entry point: steps that are uses of tasks, without a script.
plugins: [{name}]

parameters:
  fraction: {{type: float, default: 0.25}}
  seed: {{type: integer, default: 0}}

graph:
  poisoned:
    flip_labels:
      labels: [0, 1, 2, 3, 0, 1, 2, 3]
      fraction: $fraction
      classes: 4
      seed: $seed
"""

_README = """# {name}

Tasks for Tiltyard. `{name}/poisoning.py` has the first; `tests/` tests it; `example.yaml` uses it.

    tiltyard plugin test .
    tiltyard plugin push .
    tiltyard submit example.yaml --follow
"""


def starter(name: str) -> Mapping[str, str]:
    """The files of a plugin named `name`, by their paths."""
    files = {
        "plugin.toml": _MANIFEST,
        "README.md": _README,
        "example.yaml": _GRAPH,
        f"{name}/__init__.py": _INIT,
        f"{name}/poisoning.py": _TASKS,
        f"tests/test_{name}.py": _TESTS,
    }
    return {path: text.format(name=name) for path, text in files.items()}
