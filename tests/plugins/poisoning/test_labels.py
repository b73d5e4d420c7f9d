import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.classic import classifier
from tiltyard_plugins.poisoning.labels import flip_labels
from tiltyard_plugins.poisoning.masks import PoisonFailed


@pytest.fixture(scope="module")
def flat():
    return digits(flat=True)


def accuracy(dataset, untouched):
    return classifier(dataset).score(untouched.x_test, untouched.y_test)


def test_exactly_the_asked_share_is_flipped_and_every_flip_is_wrong(flat):
    poisoned, mask = flip_labels(flat, fraction=0.2)
    assert mask.sum() == round(0.2 * len(flat.y_train))
    assert np.array_equal(mask, poisoned.y_train != flat.y_train)
    assert np.array_equal(poisoned.y_test, flat.y_test)


def test_a_seed_flips_the_same_labels_again(flat):
    assert np.array_equal(flip_labels(flat, seed=3)[0].y_train, flip_labels(flat, seed=3)[0].y_train)
    assert not np.array_equal(flip_labels(flat, seed=3)[1], flip_labels(flat, seed=4)[1])


def test_a_targeted_flip_takes_one_label_for_one_other(flat):
    poisoned, mask = flip_labels(flat, fraction=0.05, source=4, target=9)
    assert set(flat.y_train[mask]) == {4}
    assert set(poisoned.y_train[mask]) == {9}


def test_more_flips_than_there_are_inputs_of_the_label_are_refused(flat):
    with pytest.raises(PoisonFailed, match="there are only"):
        flip_labels(flat, fraction=0.5, source=4)
    with pytest.raises(ValueError, match="below 1"):
        flip_labels(flat, fraction=1)


def test_a_share_of_nothing_changes_nothing(flat):
    poisoned, mask = flip_labels(flat, fraction=0)
    assert not mask.any()
    assert np.array_equal(poisoned.y_train, flat.y_train)


def test_accuracy_falls_as_more_labels_are_flipped(flat):
    """Measured: 0.969 untouched, 0.94 at a tenth, 0.84 to 0.88 at half."""
    untouched, tenth, half = (
        accuracy(flat, flat),
        *(accuracy(flip_labels(flat, fraction=share)[0], flat) for share in (0.1, 0.5)),
    )
    assert untouched > 0.95
    assert untouched > tenth > half
    assert 0.78 < half < 0.93
