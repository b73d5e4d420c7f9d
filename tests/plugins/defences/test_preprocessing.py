import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.defences.preprocessing import (
    DefenceUseless,
    feature_squeezing,
    jpeg_compression,
    spatial_smoothing,
)
from tiltyard_plugins.evasion.gradient import pgd
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import black_box, predict


def accuracy(estimator, dataset, inputs=None):
    return float(np.mean(predict(estimator, dataset.x_test if inputs is None else inputs) == dataset.y_test))


@pytest.fixture(scope="module")
def flat():
    return digits(flat=True)


@pytest.fixture(scope="module")
def logistic(flat):
    return wrap(classifier(flat))


@pytest.fixture(scope="module")
def seen(flat, logistic):
    """An estimator of the same model that takes images."""
    return black_box(logistic, shape=(8, 8, 1))


def test_squeezing_loses_less_to_an_attacker_who_knows_nothing_of_it(flat, logistic):
    """Measured at eps 0.1: 0.60 undefended, 0.77 squeezed to 2 bits; clean 0.969 and 0.960."""
    squeezed = feature_squeezing(logistic, bits=2)
    attacked = pgd(logistic, flat.x_test, flat.y_test, eps=0.1)
    assert accuracy(squeezed, flat, attacked) > accuracy(logistic, flat, attacked) + 0.1
    assert accuracy(squeezed, flat) > 0.93


def test_the_undefended_estimator_stays_undefended(flat, logistic):
    before = logistic.predict(flat.x_test)
    squeezed = feature_squeezing(logistic, bits=1)
    assert np.array_equal(logistic.predict(flat.x_test), before)
    assert not np.allclose(squeezed.predict(flat.x_test), before)


def test_two_defences_stand_one_behind_the_other(flat, seen):
    images = digits()
    once, twice = jpeg_compression(seen), feature_squeezing(jpeg_compression(seen), bits=1)
    assert not np.allclose(once.predict(images.x_test), twice.predict(images.x_test))


@pytest.mark.parametrize(
    ("defend", "least"), [(spatial_smoothing, 0.5), (jpeg_compression, 0.93), (feature_squeezing, 0.93)]
)
def test_a_defence_costs_what_it_was_measured_to(seen, defend, least):
    """Smoothing costs small images a lot (0.7 to 0.82 is left of 0.97), the others next to nothing."""
    images = digits()
    assert least < accuracy(defend(seen), images) <= 1
    if defend is spatial_smoothing:
        assert accuracy(defend(seen), images) < 0.93


def test_what_changes_nothing_or_takes_no_images_is_refused(logistic, seen):
    with pytest.raises(DefenceUseless, match="changes nothing"):
        spatial_smoothing(seen, window=1)
    with pytest.raises(ValueError, match="for images"):
        spatial_smoothing(logistic)
    with pytest.raises(ValueError, match="for images"):
        jpeg_compression(logistic)
    with pytest.raises(ValueError, match="1 to 8 bits"):
        feature_squeezing(logistic, bits=0)
