import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.detection.clustering import activation_clustering
from tiltyard_plugins.detection.spectral import spectral_signatures
from tiltyard_plugins.detection.suspects import rate_detection
from tiltyard_plugins.poisoning.backdoor import backdoor


def enlarged(dataset):
    block = np.ones((1, 3, 3, 1), np.float32)
    return dataset.with_(x_train=np.kron(dataset.x_train, block), x_test=np.kron(dataset.x_test, block))


def test_a_torch_networks_features_give_its_poison_away():
    """Measured on digits of 24 by 24 at 5 %: clustering 1.00 of 0.97, spectral 0.82 of 0.82, within the label."""
    pytest.importorskip("torch")
    from tiltyard_plugins.detection.torch_features import torch_features
    from tiltyard_plugins.models.torch_cnn import train_torch_cnn

    poisoned, mask = backdoor(enlarged(digits()), fraction=0.05)
    network = train_torch_cnn(poisoned, epochs=6)
    features = torch_features(network, poisoned.x_train)
    assert features.shape == (len(mask), 64)
    flagged, _ = activation_clustering(features, poisoned.y_train)
    assert rate_detection(flagged, mask, poisoned.y_train)["precision_in_label"] > 0.8
    share = float(mask.sum() / np.sum(poisoned.y_train == 0))
    flagged, _ = spectral_signatures(features, poisoned.y_train, expected=share, multiplier=1)
    rates = rate_detection(flagged, mask, poisoned.y_train)
    assert rates["precision_in_label"] > share + 0.15
    assert rates["recall"] > 0.5


def test_keras_features_are_what_the_last_layer_takes():
    pytest.importorskip("keras")
    from tiltyard_plugins.detection.keras_features import keras_features
    from tiltyard_plugins.models.keras_cnn import train_keras_cnn

    images = digits(limit=200)
    network = train_keras_cnn(images, epochs=1)
    features = keras_features(network, images.x_test)
    weights, bias = network.model.layers[-1].get_weights()
    assert np.allclose(features @ weights + bias, network.predict(images.x_test), atol=1e-4)
