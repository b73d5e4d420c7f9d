import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.defences.preprocessing import DefenceUseless
from tiltyard_plugins.defences.training_data import gaussian_augmentation, label_smoothing
from tiltyard_plugins.models.classic import classifier, wrap


@pytest.fixture(scope="module")
def flat():
    return digits(flat=True)


def test_noisy_copies_are_added_with_their_labels_and_within_the_range(flat):
    more = gaussian_augmentation(flat, sigma=0.2, ratio=0.5)
    size = len(flat.x_train)
    assert len(more.x_train) == len(more.y_train) == size + size // 2
    assert np.array_equal(more.x_train[:size], flat.x_train)
    assert 0 <= more.x_train.min() <= more.x_train.max() <= 1
    assert more.x_train.dtype == np.float32
    assert classifier(more).score(flat.x_test, flat.y_test) > 0.93


def test_a_seed_adds_the_same_noise_again(flat):
    first, second, other = (gaussian_augmentation(flat, seed=seed).x_train for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_noise_of_nothing_is_refused(flat):
    with pytest.raises(DefenceUseless):
        gaussian_augmentation(flat, sigma=0)


def test_soft_labels_that_would_be_hardened_again_are_refused(flat):
    with pytest.raises(DefenceUseless, match="hard ones"):
        label_smoothing(wrap(classifier(flat)))


def test_a_torch_network_learns_to_be_less_sure():
    """Measured: mean confidence 0.86 with soft labels, 0.98 without; accuracy 0.98 either way."""
    pytest.importorskip("torch")
    from tiltyard_plugins.models.estimators import predict, predict_probabilities
    from tiltyard_plugins.models.torch_cnn import fit_torch, torch_cnn, wrap_torch

    images = digits()

    def trained(prepare):
        network = wrap_torch(torch_cnn((8, 8, 1), 10), shape=(8, 8, 1), classes=10)
        return fit_torch(prepare(network), images, epochs=6)

    soft, hard = (
        trained(lambda network: label_smoothing(network, largest=0.8)),
        trained(lambda network: network),
    )
    sure = [float(predict_probabilities(each, images.x_test).max(axis=1).mean()) for each in (soft, hard)]
    assert sure[0] < 0.87 < sure[1]
    assert np.mean(predict(soft, images.x_test) == images.y_test) > 0.93
    with pytest.raises(ValueError, match="right label"):
        label_smoothing(soft, largest=1)


def test_a_keras_network_learns_to_be_less_sure():
    pytest.importorskip("keras")
    from tiltyard_plugins.models.estimators import predict_probabilities
    from tiltyard_plugins.models.keras_cnn import keras_cnn, wrap_keras

    images = digits(limit=600)
    sure = []
    for prepare in (label_smoothing, lambda network: network):
        network = prepare(wrap_keras(keras_cnn((8, 8, 1), 10)))
        network.fit(images.x_train, np.eye(10, dtype=np.float32)[images.y_train], batch_size=64, nb_epochs=8)
        sure.append(float(predict_probabilities(network, images.x_test).max(axis=1).mean()))
    assert sure[0] < sure[1] - 0.02
