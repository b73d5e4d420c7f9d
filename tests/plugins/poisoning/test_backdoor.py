import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.poisoning.backdoor import backdoor


def test_the_mask_is_what_was_changed_and_the_test_part_is_untouched():
    images = digits(limit=400)
    poisoned, mask = backdoor(images, target=3, fraction=0.1)
    changed = np.any(poisoned.x_train != images.x_train, axis=(1, 2, 3))
    assert np.array_equal(mask, changed | (poisoned.y_train != images.y_train))
    assert mask.sum() == 30
    assert set(poisoned.y_train[mask]) == {3}
    assert 3 not in images.y_train[mask]
    assert np.array_equal(poisoned.x_test, images.x_test)


def test_a_share_of_nothing_changes_nothing():
    images = digits(limit=400)
    same, mask = backdoor(images, fraction=0)
    assert not mask.any()
    assert np.array_equal(same.x_train, images.x_train)


def test_a_few_poisoned_images_open_a_network_and_a_clean_one_stays_shut():
    """Measured: success 0.97 at 5 %, clean accuracy unchanged; 0.00 on the clean network."""
    pytest.importorskip("torch")
    from tiltyard_plugins.models.torch_cnn import train_torch_cnn
    from tiltyard_plugins.poisoning.backdoor import backdoor_success

    images = digits()
    poisoned, _ = backdoor(images, fraction=0.05)
    opened = backdoor_success(train_torch_cnn(poisoned, epochs=10), images)
    assert opened["success"] > 0.85
    assert opened["without_trigger"] < 0.05
    assert opened["accuracy"] > 0.93
    shut = backdoor_success(train_torch_cnn(images, epochs=5), images)
    assert shut["success"] < 0.1
    assert shut["images"] == int(np.sum(images.y_test != 0))
