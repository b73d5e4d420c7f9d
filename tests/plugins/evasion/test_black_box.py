"""Attacks that see scores or decisions alone win without gradients, and take less than gradients do."""

from typing import Any

import numpy as np
import pytest

from tests.plugins.victims import forest, hidden, logistic, some, some_images
from tiltyard_plugins.evasion.decision import boundary, hop_skip_jump
from tiltyard_plugins.evasion.gradient import pgd
from tiltyard_plugins.evasion.score import square, zoo
from tiltyard_plugins.evasion.sparse import pixel, threshold
from tiltyard_plugins.metrics.accuracy import accuracy


@pytest.mark.parametrize("victim", [logistic, forest])
def test_hop_skip_jump_breaks_whatever_decides(victim: Any) -> None:
    x, y = some(5)
    attacked = hop_skip_jump(victim(), x, y, iterations=8, queries=300)
    assert accuracy(victim(), attacked, y) == 0
    assert 0.1 < np.median(np.linalg.norm(attacked - x, axis=1)) < 2


def test_more_iterations_bring_hop_skip_jump_nearer() -> None:
    x, y = some(8)
    far, near = (
        np.median(np.linalg.norm(hop_skip_jump(logistic(), x, y, iterations=n, queries=300) - x, axis=1))
        for n in (1, 10)
    )
    assert near < far


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_decision_attacks_are_the_same_for_the_same_seed_alone(norm: str) -> None:
    x, y = some(3)
    options = {"norm": norm, "iterations": 2, "queries": 100}
    one, same, other = (hop_skip_jump(logistic(), x, y, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_boundary_attack_walks_towards_the_input() -> None:
    x, y = some(3)
    attacked = boundary(logistic(), x, y, iterations=100)
    assert accuracy(logistic(), attacked, y) == 0
    assert np.median(np.linalg.norm(attacked - x, axis=1)) < 1.5
    assert np.array_equal(attacked, boundary(logistic(), x, y, iterations=100))


def test_zoo_guesses_its_way_through_a_forest() -> None:
    x, y = some(4)
    assert accuracy(forest(), zoo(forest(), x, y, iterations=20, searches=2), y) <= 0.25


def test_square_takes_much_but_less_than_gradients_and_more_with_more_queries() -> None:
    (x, y), (images, _) = some(60), some_images(60)
    victim = hidden(logistic())
    few, many = (accuracy(victim, square(victim, images, y, queries=n), y) for n in (5, 300))
    assert accuracy(logistic(), pgd(logistic(), x, y), y) <= many < few
    assert np.abs(square(victim, images, y, queries=20) - images).max() <= 0.1 * 1.001


def test_pixels_are_as_few_as_was_asked_for() -> None:
    images, y = some_images(8)
    attacked = pixel(hidden(logistic()), images, y, pixels=3, iterations=10)
    assert np.sum(np.abs(attacked - images) > 1e-6, axis=(1, 2, 3)).max() <= 3
    assert accuracy(hidden(logistic()), attacked, y) < 1


def test_the_threshold_attack_stays_below_it() -> None:
    images, y = some_images(5)
    attacked = threshold(hidden(logistic()), images, y, eps=0.3)
    assert np.abs(attacked - images).max() <= 0.3 + 1e-6
    assert accuracy(hidden(logistic()), attacked, y) <= 0.4
