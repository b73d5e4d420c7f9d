"""Measured on digits, a forest copied by logistic regression: accuracy 0.44 / 0.85 / 0.90 / 0.93 at 10 / 50 / 100 / 250 queries."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.evasion.gradient import fgm
from tiltyard_plugins.extraction.stealing import copycat, extraction_curve, knockoff
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import predict

THIEF = LogisticRegression(max_iter=1000)


@pytest.fixture(scope="module")
def scene():
    """A victim trained on one half, and the other half, with which the thief asks."""
    flat = digits(flat=True, test=0.2)
    half = len(flat.x_train) // 2
    victim = wrap(
        classifier(flat.with_(x_train=flat.x_train[:half], y_train=flat.y_train[:half]), kind="random_forest")
    )
    return victim, flat.x_train[half:], flat


def test_a_copy_is_better_the_more_is_asked(scene):
    victim, pool, flat = scene
    rows = extraction_curve(victim, THIEF, pool, flat, budgets=(10, 50, 250))
    agreements = [row["agreement"] for row in rows]
    assert agreements == sorted(agreements)
    assert agreements[0] < 0.65
    assert agreements[-1] > 0.9
    assert 0.88 < rows[-1]["accuracy"] < 0.98
    assert [row["queries"] for row in rows] == [10, 50, 250]


def test_knockoff_at_random_is_as_good_as_copycat(scene):
    victim, pool, flat = scene
    _, rating = knockoff(victim, THIEF, pool, flat, queries=250)
    assert rating["agreement"] > 0.88


def test_a_copy_of_noise_is_no_copy(scene):
    """The control: what the victim says of noise teaches little."""
    victim, _, flat = scene
    noise = np.random.default_rng(0).random((300, 64), np.float32)
    _, rating = copycat(victim, THIEF, noise, flat, queries=250)
    assert rating["agreement"] < 0.6


def test_exactly_the_budget_is_asked_and_no_more(scene):
    victim, pool, flat = scene
    asked = []

    class Counted:
        input_shape, nb_classes, clip_values = victim.input_shape, victim.nb_classes, victim.clip_values

        def predict(self, inputs, **options):
            asked.append(len(inputs))
            return victim.predict(inputs, **options)

    copycat(Counted(), THIEF, pool, flat.with_(x_test=flat.x_test[:1], y_test=flat.y_test[:1]), queries=70)
    assert sum(asked) == 70 + 1  # one to rate the copy


def test_a_copy_that_never_saw_some_labels_still_names_the_others_rightly(scene):
    victim, pool, flat = scene
    said = predict(victim, pool)
    only = pool[(said == 7) | (said == 9)]
    copy, rating = copycat(victim, THIEF, only, flat, queries=50)
    assert rating["labels"] == 2
    assert set(predict(copy, flat.x_test)) == {7, 9}
    assert np.mean(predict(copy, flat.x_test[flat.y_test == 9]) == 9) > 0.8


def test_a_machine_without_probabilities_can_be_the_thief(scene):
    victim, pool, flat = scene
    assert copycat(victim, SVC(), pool, flat, queries=250)[1]["agreement"] > 0.88


def test_what_fools_the_copy_often_fools_the_victim(scene):
    victim, pool, flat = scene
    copy, _ = copycat(victim, THIEF, pool, flat, queries=500)
    attacked = fgm(copy, flat.x_test, flat.y_test, eps=0.2)
    clean, fooled = (np.mean(predict(victim, inputs) == flat.y_test) for inputs in (flat.x_test, attacked))
    assert fooled < clean - 0.2


def test_the_thief_that_was_given_is_left_as_it_was(scene):
    victim, pool, flat = scene
    copycat(victim, THIEF, pool, flat, queries=50)
    assert not hasattr(THIEF, "coef_")


def test_what_art_would_quietly_do_otherwise_is_refused(scene):
    victim, pool, flat = scene
    with pytest.raises(ValueError, match="pool of 20"):
        copycat(victim, THIEF, pool[:20], flat, queries=50)
    with pytest.raises(ValueError, match="learn from labels"):
        copycat(victim, THIEF, pool, flat, queries=50, answers="probabilities")
    with pytest.raises(ValueError, match="adaptive"):
        knockoff(victim, THIEF, pool, flat, queries=50, sampling="adaptive", labels=np.zeros(len(pool)))


def test_a_torch_copy_learns_from_labels_and_from_probabilities():
    """Measured at 100 queries: agreement 0.86 from labels, 0.85 from probabilities; ART's raw scores gave 0.09."""
    pytest.importorskip("torch")
    from tiltyard_plugins.models.torch_cnn import torch_cnn, train_torch_cnn, wrap_torch

    images = digits(test=0.2)
    half = len(images.x_train) // 2
    victim = train_torch_cnn(
        images.with_(x_train=images.x_train[:half], y_train=images.y_train[:half]), epochs=6
    )
    thief = wrap_torch(torch_cnn((8, 8, 1), 10, seed=5), shape=(8, 8, 1), classes=10)
    for answers in ("labels", "probabilities"):
        _, rating = copycat(
            victim, thief, images.x_train[half:], images, queries=200, answers=answers, epochs=10
        )
        assert rating["agreement"] > 0.7
    labels = images.y_train[half:]
    _, adaptive = knockoff(
        victim,
        thief,
        images.x_train[half:],
        images,
        labels=labels,
        queries=150,
        sampling="adaptive",
        epochs=15,
    )
    assert adaptive["agreement"] > 0.3
