"""Attacks with gradients take what they were measured to take, within their budget, and beat noise of the same size."""

from typing import Any

import numpy as np
import pytest

from tests.plugins.victims import flat_digits, forest, logistic, some
from tiltyard_plugins.evasion.adaptive import auto_pgd
from tiltyard_plugins.evasion.gradient import fgm, pgd
from tiltyard_plugins.evasion.minimal import carlini_wagner_l2, carlini_wagner_linf, deepfool, jsma
from tiltyard_plugins.evasion.noise import random_noise
from tiltyard_plugins.metrics.accuracy import accuracy
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import predict


def left(attack: Any, **options: Any) -> float:
    data = flat_digits()
    return float(accuracy(logistic(), attack(logistic(), data.x_test, data.y_test, **options), data.y_test))


@pytest.mark.parametrize(
    ("attack", "eps", "measured"),
    [
        (fgm, 0.02, 0.951), (fgm, 0.05, 0.871), (fgm, 0.1, 0.627), (fgm, 0.2, 0.08), (fgm, 0.3, 0.002),
        (pgd, 0.05, 0.869), (pgd, 0.1, 0.607), (pgd, 0.15, 0.256), (pgd, 0.2, 0.044), (pgd, 0.3, 0.0),
    ],
)  # fmt: skip
def test_a_gradient_attack_leaves_the_accuracy_that_was_measured(
    attack: Any, eps: float, measured: float
) -> None:
    assert left(attack, eps=eps) == pytest.approx(measured, abs=0.03)


def test_noise_of_the_same_size_does_nothing() -> None:
    data = flat_digits()
    clean = accuracy(logistic(), data.x_test, data.y_test)
    for options in ({}, {"signs": True}, {"norm": "l2", "eps": 0.7}):
        noisy = random_noise(logistic(), data.x_test, **{"eps": 0.1, **options})
        assert accuracy(logistic(), noisy, data.y_test) > clean - 0.02


def test_noise_has_the_size_that_was_asked_for() -> None:
    grey = np.full((5, 64), 0.5, dtype=np.float32)
    assert np.allclose(np.abs(random_noise(logistic(), grey, eps=0.1, signs=True) - grey), 0.1, atol=1e-6)
    assert np.abs(random_noise(logistic(), grey, eps=0.1) - grey).max() <= 0.1 + 1e-6
    straight = random_noise(logistic(), grey, eps=0.7, norm="l2") - grey
    assert np.allclose(np.linalg.norm(straight, axis=1), 0.7, atol=1e-5)


@pytest.mark.parametrize("attack", [fgm, pgd])
def test_a_budget_without_room_changes_nothing_and_one_without_end_takes_everything(attack: Any) -> None:
    x, y = some(50)
    assert np.array_equal(attack(logistic(), x, y, eps=0), x)
    assert accuracy(logistic(), attack(logistic(), x, y, eps=1.0), y) == 0


@pytest.mark.parametrize(("norm", "eps", "order"), [("linf", 0.1, np.inf), ("l2", 0.7, 2), ("l1", 3.0, 1)])
def test_attacks_stay_within_their_budget_and_the_range(norm: str, eps: float, order: float) -> None:
    x, y = some(60)
    for attack in (fgm, pgd):
        attacked = attack(logistic(), x, y, eps=eps, norm=norm)
        assert attacked.dtype == np.float32
        assert np.linalg.norm(attacked - x, order, axis=1).max() <= eps * 1.001
        assert attacked.min() >= 0
        assert attacked.max() <= 1


def test_a_target_is_what_inputs_are_taken_for() -> None:
    x, y = some(60)
    hit = pgd(logistic(), x, y, eps=0.3, target=3)
    assert np.mean(predict(logistic(), hit) == 3) > 0.9
    jumped = jsma(logistic(), x[:10], y[:10], gamma=1.0, target=3)
    assert set(predict(logistic(), jumped)) == {3}


def test_inputs_that_are_wrong_already_are_left_alone() -> None:
    data = flat_digits()
    wrong = predict(logistic(), data.x_test) != data.y_test
    assert wrong.any()
    attacked = fgm(logistic(), data.x_test, data.y_test, eps=0.1)
    assert np.array_equal(attacked[wrong], data.x_test[wrong])
    assert not np.array_equal(attacked[~wrong], data.x_test[~wrong])


def test_minimal_attacks_win_with_small_changes() -> None:
    x, y = some(20)
    attacked = deepfool(logistic(), x, y)
    assert accuracy(logistic(), attacked, y) == 0
    assert 0.3 < np.median(np.linalg.norm(attacked - x, axis=1)) < 0.9
    assert accuracy(logistic(), carlini_wagner_l2(logistic(), x[:8], y[:8], searches=3), y[:8]) <= 0.13
    assert accuracy(logistic(), carlini_wagner_linf(logistic(), x[:8], y[:8]), y[:8]) <= 0.13
    few = jsma(logistic(), x, y, gamma=0.3)
    assert accuracy(logistic(), few, y) <= 0.1
    assert np.sum(few != x, axis=1).max() <= 0.3 * 64 + 2


def test_a_support_vector_machine_falls_too() -> None:
    victim, (x, y) = wrap(classifier(flat_digits(), kind="svc")), some(20)
    near, far = (accuracy(victim, fgm(victim, x, y, eps=eps), y) for eps in (0.05, 0.3))
    assert near > 0.8
    assert far < 0.2


def test_a_model_without_gradients_is_refused_with_what_would_fit() -> None:
    x, y = some(5)
    with pytest.raises(TypeError, match="hop_skip_jump"):
        fgm(forest(), x, y)
    with pytest.raises(ValueError, match="loss"):
        auto_pgd(logistic(), x, y)


def test_inputs_outside_the_range_are_refused() -> None:
    x, y = some(5)
    with pytest.raises(ValueError, match="inputs go from 0 to 16"):
        fgm(logistic(), x * 16, y)
