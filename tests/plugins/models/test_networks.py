"""Networks of torch and Keras train, are attacked through one kind of estimator, and are kept."""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.evasion.adaptive import auto_attack, auto_pgd
from tiltyard_plugins.evasion.crafting import AttackFailed
from tiltyard_plugins.evasion.decision import hop_skip_jump
from tiltyard_plugins.evasion.gradient import fgm, pgd
from tiltyard_plugins.evasion.minimal import carlini_wagner_l2, carlini_wagner_linf, deepfool, jsma
from tiltyard_plugins.evasion.noise import random_noise
from tiltyard_plugins.evasion.patch import adversarial_patch, apply_patch, patch_success
from tiltyard_plugins.evasion.score import square
from tiltyard_plugins.metrics.accuracy import accuracy
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.types import Data

pytestmark = [
    pytest.mark.parametrize("library", ["torch", "keras"]),
    pytest.mark.filterwarnings("default"),  # what the libraries say of each other is theirs
]


@cache
def images() -> Data:
    data: Data = digits()
    return data


@cache
def network(library: str) -> Any:
    pytest.importorskip(library)
    module = importlib.import_module(f"tiltyard_plugins.models.{library}_cnn")
    return getattr(module, f"train_{library}_cnn")(images(), epochs=8)


def left(library: str, attack: Any, count: int = 100, **options: Any) -> float:
    victim, x, y = network(library), images().x_test[:count], images().y_test[:count]
    return float(accuracy(victim, attack(victim, x, y, **options), y))


def test_gradient_attacks_take_what_they_are_measured_to_take_and_noise_takes_nothing(library: str) -> None:
    victim, x, y = network(library), images().x_test, images().y_test
    assert accuracy(victim, x, y) > 0.95
    one_step, many = left(library, fgm, 450), left(library, pgd, 450)
    assert 0.35 < many <= one_step < 0.75
    assert left(library, pgd, 200, eps=0.3) < 0.03
    assert accuracy(victim, random_noise(victim, x, eps=0.1), y) > 0.93


def test_the_same_seed_attacks_in_the_same_way(library: str) -> None:
    victim, x, y = network(library), images().x_test[:5], images().y_test[:5]
    one, other = (hop_skip_jump(victim, x, y, iterations=2, queries=100, seed=3) for _ in range(2))
    assert np.array_equal(one, other)
    assert one.dtype == np.float32


def test_attacks_that_choose_their_steps_are_no_weaker_than_one_step(library: str) -> None:
    step = left(library, fgm, 50)
    assert left(library, auto_pgd, 50) <= step
    assert left(library, auto_attack, 50, iterations=10, restarts=1, queries=50) <= step


def test_minimal_attacks_win(library: str) -> None:
    assert left(library, deepfool, 10) == 0
    assert left(library, jsma, 10, gamma=1.0) <= 0.2
    assert left(library, carlini_wagner_l2, 3, searches=2, iterations=60) <= 0.34
    assert left(library, carlini_wagner_linf, 3, iterations=15) <= 0.34
    assert left(library, hop_skip_jump, 5, iterations=2, queries=100) == 0


def test_carlini_and_wagner_that_changes_nothing_is_caught(library: str) -> None:
    with pytest.raises(AttackFailed, match="left 4 of 4 inputs as they were"):
        left(library, carlini_wagner_linf, 4, iterations=3, rate=0.001, weight=1e-5)


def test_queries_of_scores_take_less_than_gradients(library: str) -> None:
    assert left(library, pgd, 60) < left(library, square, 60, queries=100) < 0.95


def test_a_patch_turns_images_into_its_target_and_noise_of_its_size_does_not(library: str) -> None:
    victim, x, y = network(library), images().x_test[:100], images().y_test[:100]
    patch = adversarial_patch(victim, x, target=3, scale=0.7, iterations=20)
    patched = apply_patch(victim, x, patch, scale=0.7)
    noise = np.random.default_rng(0).random(patch.shape)
    assert patch_success(victim, patched, y, target=3) > 0.15
    assert patch_success(victim, apply_patch(victim, x, noise, scale=0.7), y, target=3) < 0.1


def test_a_saved_network_says_the_same(library: str, tmp_path: Path) -> None:
    victim, x = network(library), images().x_test[:50]
    if library == "torch":
        from tiltyard_plugins.models import torch_cnn

        path = torch_cnn.save_torch(torch_cnn.unwrap_torch(victim), tmp_path / "m" / "net.pt")
        model = torch_cnn.load_torch(torch_cnn.torch_cnn((8, 8, 1), 10, seed=5), path)
        again = torch_cnn.wrap_torch(model, shape=(8, 8, 1), classes=10)
    else:
        from tiltyard_plugins.models import keras_cnn

        path = keras_cnn.save_keras(victim.model, tmp_path / "m" / "net.keras")
        again = keras_cnn.wrap_keras(keras_cnn.load_keras(path))
    assert np.array_equal(predict(again, x), predict(victim, x))
