import numpy as np
import pytest

pytest.importorskip("torch")

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.estimators import predict_probabilities
from tiltyard_plugins.models.torch_cnn import train_torch_cnn
from tiltyard_plugins.poisoning.gradient_matching import gradient_matching
from tiltyard_plugins.poisoning.masks import PoisonFailed
from tiltyard_plugins.poisoning.targeted import targeted_success


@pytest.fixture(scope="module")
def images():
    return digits()


@pytest.fixture(scope="module")
def proxy(images):
    return train_torch_cnn(images, epochs=5)


def test_rightly_labelled_images_raise_the_chance_that_one_image_is_misread(images, proxy):
    chances = predict_probabilities(proxy, images.x_test)
    right = np.flatnonzero(chances.argmax(axis=1) == images.y_test)
    image = int(right[chances[right].max(axis=1).argmin()])  # the one that it is least sure of
    target = int(np.argsort(chances[image])[-2])
    poisoned, mask = gradient_matching(proxy, images, image=image, target=target, fraction=0.09, steps=40)
    assert np.array_equal(poisoned.y_train, images.y_train)
    assert set(images.y_train[mask]) == {target}
    assert np.abs(poisoned.x_train - images.x_train).max() <= 0.3 + 1e-6
    before, after = (
        np.mean(
            [
                targeted_success(
                    train_torch_cnn(data, epochs=5, seed=seed), images, image=image, target=target
                )["probability"]
                for seed in (1, 2)
            ]
        )
        for data in (images, poisoned)
    )
    assert after > before


def test_more_poison_than_the_target_has_images_is_refused(images, proxy):
    with pytest.raises(PoisonFailed, match="there are only"):
        gradient_matching(proxy, images, image=0, target=1, fraction=0.5)
