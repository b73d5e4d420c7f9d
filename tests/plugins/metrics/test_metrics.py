"""Metrics say what they are defined as, and catch what would be misread."""

import numpy as np
import pytest

from tests.plugins.victims import flat_digits, forest, hidden, logistic, some, some_images
from tiltyard_plugins.evasion.crafting import AttackFailed
from tiltyard_plugins.evasion.gradient import fgm
from tiltyard_plugins.metrics.accuracy import accuracy, confusion_matrix, performance, robustness
from tiltyard_plugins.metrics.detection_rates import roc
from tiltyard_plugins.metrics.distances import distances, empirical_robustness, summary
from tiltyard_plugins.metrics.security_curve import security_curve
from tiltyard_plugins.models.estimators import predict


def test_robustness_counts_what_was_won_of_what_was_right() -> None:
    data = flat_digits()
    attacked = fgm(logistic(), data.x_test, data.y_test, eps=0.1)
    found = robustness(logistic(), data.x_test, attacked, data.y_test)
    assert found["clean_accuracy"] == accuracy(logistic(), data.x_test, data.y_test)
    assert found["robust_accuracy"] == pytest.approx(accuracy(logistic(), attacked, data.y_test))
    assert found["robust_accuracy"] == pytest.approx(found["clean_accuracy"] * (1 - found["attack_success"]))
    assert found["changed"] == 1


def test_an_attack_that_did_nothing_is_seen_in_what_it_changed() -> None:
    x, y = some(30)
    found = robustness(logistic(), x, x, y)
    assert found["changed"] == found["attack_success"] == 0
    assert found["robust_accuracy"] == found["clean_accuracy"]


def test_performance_of_a_guess_is_that_of_chance() -> None:
    truth = np.arange(1000) % 10
    right, guess = performance(truth, truth), performance(truth, np.zeros(1000))
    assert set(right.values()) == {1.0}
    assert guess["accuracy"] == guess["balanced_accuracy"] == pytest.approx(0.1)
    assert guess["mcc"] == 0


def test_a_confusion_matrix_counts_every_input_once() -> None:
    matrix = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], classes=4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_distances_are_what_a_pencil_says() -> None:
    (row,) = distances(np.array([[0.0, 3.0, 4.0]]), np.array([[0.0, 3.0, 1.0]]))
    assert row["l0"] == 1
    assert row["l1"] == row["l2"] == row["linf"] == 3
    assert row["mean_squared"] == 3
    assert row["relative_l2"] == pytest.approx(0.6)
    assert row["cosine"] == pytest.approx(1 - 13 / (5 * np.sqrt(10)))
    assert row["wasserstein"] == pytest.approx(1.0)
    assert summary([row, dict.fromkeys(row, 0.0)])["l2_mean"] == 1.5


def test_images_are_as_far_apart_as_their_features() -> None:
    x, _ = some(4)
    images, _ = some_images(4)
    assert distances(x, x * 0.5) == distances(images, images * 0.5)


def test_empirical_robustness_lies_between_nothing_and_everything() -> None:
    x, _ = some(40)
    assert 0.05 < empirical_robustness(logistic(), x) < 1


def test_a_model_that_nothing_fooled_was_not_measured() -> None:
    x, _ = some(10)
    with pytest.raises(AttackFailed, match="fooled the model on no input"):
        empirical_robustness(logistic(), x, step=0.0001, largest=0.0002)


def test_roc_of_chance_and_of_certainty() -> None:
    truth = np.arange(4000) % 2 == 0
    draw = np.random.default_rng(0)
    _, chance = roc(truth, draw.random(4000))
    assert chance["auc"] == pytest.approx(0.5, abs=0.03)
    assert chance["tpr_at_fpr_0.01"] < 0.03
    curve, sure = roc(truth, truth + 0.1 * draw.random(4000))
    assert sure["auc"] == sure["tpr_at_fpr_0.001"] == 1
    assert curve[0]["fpr"] == curve[0]["tpr"] == 0
    assert curve[-1]["fpr"] == curve[-1]["tpr"] == 1
    with pytest.raises(ValueError, match="both kinds"):
        roc([True], [1.0])


def test_the_security_curve_falls_and_its_control_does_not() -> None:
    x, y = some(200)
    points = security_curve(logistic(), x, y, attack="pgd", eps=(0.3, 0.0, 0.1))
    assert [point["eps"] for point in points] == [0.0, 0.1, 0.3]
    none, some_, all_ = (point["robust_accuracy"] for point in points)
    assert none == points[0]["clean_accuracy"] > some_ > all_ < 0.05
    assert points[1]["noise_accuracy"] > points[1]["robust_accuracy"] + 0.2


def test_the_security_curve_of_a_black_box_lies_above_that_of_gradients() -> None:
    (x, y), (images, _) = some(40), some_images(40)
    seen = security_curve(logistic(), x, y, attack="fgm", eps=[0.15])
    unseen = security_curve(hidden(forest()), images, y, attack="square", eps=[0.15], options={"queries": 30})
    assert unseen[0]["robust_accuracy"] > seen[0]["robust_accuracy"]
    assert len(predict(hidden(forest()), images)) == 40
