import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.privacy.inversion import likeness, model_inversion
from tiltyard_plugins.privacy.scores import AttackFailed


@pytest.fixture(scope="module")
def flat():
    return digits(flat=True)


@pytest.fixture(scope="module")
def logistic(flat):
    return wrap(classifier(flat))


def test_inverted_inputs_look_like_their_labels(logistic, flat):
    """Measured: confidence 0.10 to 1.00; correlation 0.52 with their own label, 0.00 with others."""
    inputs, labels, confidence = model_inversion(logistic)
    assert inputs.shape == (10, 64)
    assert 0 <= inputs.min() <= inputs.max() <= 1
    assert confidence["before"] < 0.3
    assert confidence["after"] > 0.9
    alike = likeness(inputs, labels, flat)
    assert alike["matched"] > 0.8
    assert alike["own"] > alike["others"] + 0.3


def test_a_model_of_shuffled_labels_gives_nothing_away(flat):
    shuffled = flat.with_(y_train=np.random.default_rng(0).permutation(flat.y_train))
    inputs, labels, confidence = model_inversion(wrap(classifier(shuffled)))
    assert confidence["after"] > 0.9  # it is sure all the same
    alike = likeness(inputs, labels, flat)
    assert alike["matched"] < 0.5
    assert abs(alike["own"] - alike["others"]) < 0.2


def test_an_inversion_that_leads_nowhere_says_so(logistic):
    with pytest.raises(AttackFailed, match="no surer"):
        model_inversion(logistic, rate=0.0)


def test_a_torch_networks_scores_are_inverted_too():
    pytest.importorskip("torch")
    from tiltyard_plugins.models.torch_cnn import train_torch_cnn

    images = digits()
    inputs, labels, confidence = model_inversion(train_torch_cnn(images, epochs=6), steps=100, rate=0.05)
    assert inputs.shape == (10, 8, 8, 1)
    assert confidence["after"] > 0.9
    assert likeness(inputs, labels, images)["matched"] > 0.6
