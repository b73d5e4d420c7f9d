"""A seeded attack comes to the same when it is run again, and its experiment travels as one file."""

import json
from pathlib import Path

import pytest

from tests.acceptance.testbed import Testbed

MLPROJECT = """\
name: seeded
entry_points:
  main:
    parameters:
      seed: {type: integer, default: 7}
    command: python forest.py {seed}
"""
FOREST = """\
import pathlib, sys
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
import tiltyard

seed = int(sys.argv[1])
images, labels = load_digits(return_X_y=True)
forest = RandomForestClassifier(5, random_state=seed).fit(images[::2], labels[::2])
noise = np.random.default_rng(seed).normal(0, 4, images[1::2].shape)
tiltyard.metric("accuracy", forest.score(images[1::2], labels[1::2]))
tiltyard.metric("robust_accuracy", forest.score(images[1::2] + noise, labels[1::2]))
tiltyard.metric("bound", float("nan"))
pathlib.Path("outputs").mkdir()
np.save("outputs/noise.npy", noise)
"""


@pytest.fixture
def seeded(tmp_path: Path) -> str:
    """A small attack with a seed."""
    project = tmp_path / "seeded"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT)
    (project / "forest.py").write_text(FOREST)
    return str(project)


def test_a_seeded_attack_comes_to_the_same_and_its_experiment_travels(
    testbed: Testbed, seeded: str, tmp_path: Path
) -> None:
    first = testbed.json("submit", seeded, "-x", f"replays-{testbed.ring}", "--wait")["id"]
    found = testbed.json("replay", first, "--verify")
    assert (found["verdict"], found["differences"]) == ("identical", [])
    assert {one["name"]: one["verdict"] for one in found["metrics"]} == dict.fromkeys(
        ("accuracy", "bound", "robust_accuracy"), "identical"
    )
    with testbed.http() as http:
        manifest = http.get(f"/jobs/{first}/manifest").raise_for_status().json()
    assert manifest["seeds"] == [{"parameter": "seed", "value": 7, "found": "its name"}]
    assert manifest["ran_in"]["packages"]["scikit-learn"]
    assert [one["path"] for one in manifest["outputs"]] == ["noise.npy"]
    bundle = tmp_path / "bundle.tar"
    assert testbed.json("export", f"replays-{testbed.ring}", "-o", str(bundle))["jobs"] == 2
    assert testbed.json("import", str(bundle))["skipped"] == 2
    bundle.write_bytes(bundle.read_bytes().replace(b"robust_accuracy", b"robust-accuracy", 1))
    refused = json.loads(testbed.run("import", str(bundle), "--json", code=1).stderr)
    assert refused["code"] == "bundle_changed"
