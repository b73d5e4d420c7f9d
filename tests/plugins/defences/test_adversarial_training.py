"""Measured on digits at eps 0.1, PGD: 0.48 to 0.58 undefended, 0.67 after training against FGM, 0.73 to 0.86 after Madry's."""

import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.defences.adversarial_training import LearntNothing, adversarial_training, madry_training
from tiltyard_plugins.evasion.gradient import pgd
from tiltyard_plugins.models.estimators import predict


@pytest.fixture(scope="module")
def images():
    return digits()


def accuracy(estimator, dataset, eps):
    attacked = pgd(estimator, dataset.x_test[:200], dataset.y_test[:200], eps=eps, steps=10, allow_weak=True)
    return float(np.mean(predict(estimator, attacked) == dataset.y_test[:200]))


def test_a_torch_network_trained_on_attacked_inputs_loses_less(images):
    pytest.importorskip("torch")
    from tiltyard_plugins.models.torch_cnn import torch_cnn, train_torch_cnn, wrap_torch

    def fresh():
        return wrap_torch(torch_cnn((8, 8, 1), 10), shape=(8, 8, 1), classes=10)

    plain = accuracy(train_torch_cnn(images, epochs=8), images, 0.1)
    assert accuracy(adversarial_training(fresh(), images, epochs=8), images, 0.1) > plain + 0.03
    hardened = madry_training(fresh(), images, epochs=6, steps=4)
    assert accuracy(hardened, images, 0.1) > plain + 0.08
    assert accuracy(hardened, images, 0) > 0.9


def test_a_network_that_says_one_thing_of_everything_is_no_robust_one(images):
    pytest.importorskip("torch")
    from tiltyard_plugins.models.torch_cnn import torch_cnn, wrap_torch

    network = wrap_torch(torch_cnn((8, 8, 1), 10), shape=(8, 8, 1), classes=10)
    with pytest.raises(LearntNothing, match="same of every input"):
        madry_training(network, images, eps=1.0, epochs=1, steps=2)


def test_a_keras_network_trained_on_attacked_inputs_loses_less():
    pytest.importorskip("keras")
    from tiltyard_plugins.models.keras_cnn import keras_cnn, train_keras_cnn, wrap_keras

    images = digits()
    plain = accuracy(train_keras_cnn(images, epochs=5), images, 0.1)
    hardened = wrap_keras(keras_cnn((8, 8, 1), 10))
    adversarial_training(hardened, images, epochs=8, batch=200)  # each batch costs a compilation in ART
    assert accuracy(hardened, images, 0.1) > plain + 0.03
    assert accuracy(hardened, images, 0) > 0.88
