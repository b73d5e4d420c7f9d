"""The bundled example is a real attack, and runs by hand outside a testbed too."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tiltyard_plugins.examples import DIGITS_FGM


def attacked(folder: Path, eps: float) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TILTYARD_")}
    environment["OMP_NUM_THREADS"] = "1"
    folder.mkdir()
    command = [sys.executable, str(DIGITS_FGM / "attack.py"), "--eps", str(eps)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    assert list((folder / "outputs").glob("*.png"))
    return dict(json.loads((folder / "outputs" / "result.json").read_text()))


def test_the_attack_leaves_less_accuracy_the_further_it_may_go(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as side_by_side:
        near, far = side_by_side.map(attacked, (tmp_path / "near", tmp_path / "far"), (0.05, 0.2))
    assert near["clean_accuracy"] == far["clean_accuracy"] > 0.93
    assert far["robust_accuracy"] < 0.3
    assert 0.7 < near["robust_accuracy"] < near["clean_accuracy"]
