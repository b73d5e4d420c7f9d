"""The packaged sets are what they say, scaled, and split so that every label stands in both parts."""

import numpy as np
import pytest

from tiltyard_plugins.data.packaged import breast_cancer, diabetes, digits, wine
from tiltyard_plugins.data.split import as_features, as_images, held_out, sample, split


@pytest.mark.parametrize(
    ("load", "inputs", "shape", "classes"),
    [
        (digits, 1797, (8, 8, 1), 10),
        (breast_cancer, 569, (30,), 2),
        (wine, 178, (13,), 3),
        (diabetes, 442, (10,), 2),
    ],
)
def test_a_packaged_set_is_scaled_and_holds_every_label_in_both_parts(load, inputs, shape, classes) -> None:
    data = load()
    assert len(data.x_train) + len(data.x_test) == inputs
    assert data.shape == shape
    assert data.classes == classes == len(set(data.y_train)) == len(set(data.y_test))
    assert data.x_train.dtype == data.x_test.dtype == np.float32
    assert min(data.x_train.min(), data.x_test.min()) == 0
    assert max(data.x_train.max(), data.x_test.max()) == 1


def test_a_seed_decides_the_split() -> None:
    assert np.array_equal(digits(seed=1).x_test, digits(seed=1).x_test)
    assert not np.array_equal(digits(seed=1).x_test, digits(seed=2).x_test)


def test_a_limit_keeps_the_labels_in_their_shares() -> None:
    data = digits(limit=200, flat=True)
    assert len(data.x_train) + len(data.x_test) == 200
    assert np.bincount(data.y_train).min() >= 12


def test_features_fold_into_the_images_that_they_came_from() -> None:
    data = digits(limit=100)
    assert np.array_equal(as_images(as_features(data), shape=(8, 8, 1)).x_test, data.x_test)


def test_a_sample_keeps_inputs_with_their_labels() -> None:
    x, y = held_out(digits(flat=True))
    inputs, labels = sample(x, y, size=30, seed=4)
    assert len(inputs) == len(labels) == 30
    where = [int(np.flatnonzero((x == one).all(axis=1))[0]) for one in inputs]
    assert len(set(where)) == 30
    assert np.array_equal(y[where], labels)


def test_labels_that_do_not_fit_the_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 inputs and 2 labels"):
        split(np.zeros((3, 2)), [0, 1])
