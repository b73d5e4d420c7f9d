import numpy as np
import pytest

pytest.importorskip("torch")

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.torch_cnn import train_torch_cnn
from tiltyard_plugins.poisoning.backdoor import backdoor_success
from tiltyard_plugins.poisoning.clean_label import clean_label_backdoor
from tiltyard_plugins.poisoning.masks import PoisonFailed


@pytest.fixture(scope="module")
def images():
    return digits()


@pytest.fixture(scope="module")
def proxy(images):
    return train_torch_cnn(images, epochs=5)


def test_a_trigger_on_rightly_labelled_images_opens_a_network_a_little(images, proxy):
    """Measured: success 0.35 where half of the target's own images are poisoned, 0.00 without the trigger."""
    poisoned, mask = clean_label_backdoor(proxy, images, share=0.5)
    assert np.array_equal(poisoned.y_train, images.y_train)
    assert mask.sum() == round(0.5 * np.sum(images.y_train == 0))
    assert set(images.y_train[mask]) == {0}
    opened = backdoor_success(train_torch_cnn(poisoned, epochs=10), images)
    assert opened["success"] > 0.1
    assert opened["success"] > opened["without_trigger"] + 0.1


def test_a_proxy_that_changes_nothing_is_said_to(images, proxy):
    with pytest.raises(PoisonFailed, match="left"):
        clean_label_backdoor(proxy, images, eps=1e-7)
