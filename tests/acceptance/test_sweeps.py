"""Train once, attack many: a sweep over a model that is still being trained, with the gateway killed on the way."""

import json
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from tests.acceptance.test_first_attack import submitted
from tests.acceptance.test_killed import kill
from tests.acceptance.testbed import TILTYARD, Testbed, embedded
from tests.servers import wait_for

CELLS = 60
PROJECT = """
name: robust
entry_points:
  train:
    command: python train.py
  attack:
    parameters:
      model: path
      eps: {type: float, default: 0.1}
      seed: {type: integer, default: 0}
    command: python attack.py {model} {eps} {seed}
"""
TRAIN = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from pathlib import Path

images, labels = load_digits(return_X_y=True)
images = images / 16
model = LogisticRegression(max_iter=200).fit(images[:1200], labels[:1200])
Path("outputs").mkdir()
np.savez("outputs/model.npz", w=model.coef_, b=model.intercept_, x=images[1200:], y=labels[1200:])
"""
ATTACK = """
import sys
import numpy as np
import tiltyard

path, eps, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
model = np.load(path)
some = np.random.default_rng(seed).choice(len(model["y"]), 150, replace=False)
x, y = model["x"][some], model["y"][some]

def scores(x):
    return x @ model["w"].T + model["b"]

odds = np.exp(scores(x) - scores(x).max(axis=1, keepdims=True))
gradient = (odds / odds.sum(axis=1, keepdims=True) - np.eye(10)[y]) @ model["w"]  # of the loss, by the image
attacked = np.clip(x + eps * np.sign(gradient), 0, 1)
tiltyard.metric("robust_accuracy", float((scores(attacked).argmax(axis=1) == y).mean()))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "robust"
    folder.mkdir()
    for name, text in {"MLproject": PROJECT, "train.py": TRAIN, "attack.py": ATTACK}.items():
        (folder / name).write_text(text)
    return folder


def every(testbed: Testbed, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a list."""
    with testbed.http() as http:
        answer = http.get(path, params={"limit": 1000} | params).raise_for_status().json()
    assert answer["next"] is None
    return list(answer["items"])


def progress(testbed: Testbed, sweep: str) -> float:
    with testbed.http() as http:
        return float(http.get(f"/sweeps/{sweep}").raise_for_status().json()["progress"])


def test_a_model_is_attacked_by_a_sweep_whose_gateway_is_killed_at_a_third(
    tmp_path: Path, project: Path
) -> None:
    with embedded(tmp_path, mlflow=False, options=["--workers", "2", "--no-mlflow"]) as testbed:
        training = submitted(testbed, str(project), "-e", "train")
        attack = ["sweep", str(project), "-e", "attack", "--set", f"model=artifact:{training}/model.npz"]
        attack += ["-P", "seed=0,1,2,3,4,5", "--max-parallel", "6"]
        sweep = testbed.run(*attack, "-P", "eps=0:0.27:10").stdout.strip()
        assert {cell["state"] for cell in every(testbed, f"/sweeps/{sweep}/cells")} == {"waiting"}

        command = [TILTYARD, "sweep", "wait", sweep]
        waiter = subprocess.Popen(command, env=testbed.environment, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: progress(testbed, sweep) >= 1 / 3, seconds=240)
        kill(testbed, "gateway")
        assert f"{CELLS} succeeded" in waiter.communicate(timeout=300)[0]
        assert waiter.returncode == 0
        every_cell_was_run_to_its_end_once(testbed, sweep)
        the_attack_is_worse_the_more_it_may_change(testbed, sweep)

        again = json.loads(testbed.run(*attack, "-P", "eps=0:0.27:10", "--json").stdout)
        assert (again["reused"], again["state"]) == (CELLS, "succeeded")
        longer = json.loads(testbed.run(*attack, "-P", "eps=0:0.3:11", "--json").stdout)
        assert (longer["reused"], longer["cells"]) == (CELLS, CELLS + 6)
        testbed.run("sweep", "wait", longer["id"])
        new = {
            cell["values"]["eps"]
            for cell in every(testbed, f"/sweeps/{longer['id']}/cells")
            if not cell["reused"]
        }
        assert new == {0.3}
        assert len(every(testbed, "/jobs", experiment="robust")) == 1 + CELLS + 6


def every_cell_was_run_to_its_end_once(testbed: Testbed, sweep: str) -> None:
    cells = every(testbed, f"/sweeps/{sweep}/cells")
    jobs = [cell["job"] for cell in cells]
    assert (len(cells), len(set(jobs))) == (CELLS, CELLS)
    assert set(jobs) == {job["id"] for job in every(testbed, "/jobs", sweep=sweep)}
    for job in jobs:
        with testbed.http() as http:
            history = http.get(f"/jobs/{job}/events").raise_for_status().json()["events"]
        states = Counter(event["data"]["state"] for event in history if event["kind"] == "state")
        assert states["succeeded"] == 1, states
        assert [event["seq"] for event in history] == list(range(len(history)))


def the_attack_is_worse_the_more_it_may_change(testbed: Testbed, sweep: str) -> None:
    found = defaultdict(list)
    for row in every(testbed, f"/sweeps/{sweep}/results"):
        found[row["values"]["eps"]].append(row["metrics"]["robust_accuracy"])
    accuracy = {eps: mean(values) for eps, values in sorted(found.items())}
    assert len(accuracy) == 10
    assert accuracy[0] > 0.85
    assert accuracy[0.27] < 0.3
    assert list(accuracy.values()) == sorted(accuracy.values(), reverse=True)
