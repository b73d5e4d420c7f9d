import numpy as np
import pytest

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.defences.adversarial_training import adversarial_training, madry_training
from tiltyard_plugins.defences.retraining import retrain_on_attacked
from tiltyard_plugins.evasion.gradient import pgd
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import predict


@pytest.fixture(scope="module")
def flat():
    return digits(flat=True)


def accuracy(estimator, dataset, eps):
    return float(
        np.mean(predict(estimator, pgd(estimator, dataset.x_test, dataset.y_test, eps=eps)) == dataset.y_test)
    )


def test_a_retrained_model_loses_less_under_attack(flat):
    """Measured at eps 0.1: 0.60 before, 0.68 after 5 rounds, 0.73 after 10; clean 0.969 and 0.958."""
    plain = wrap(classifier(flat))
    hardened = retrain_on_attacked(plain, flat, eps=0.1, rounds=5, steps=5)
    assert accuracy(hardened, flat, 0.1) > accuracy(plain, flat, 0.1) + 0.05
    assert accuracy(hardened, flat, 0) > 0.93
    assert accuracy(hardened, flat, 0.4) < 0.1  # no defence helps against a change this large


def test_training_by_batches_is_not_for_scikit_learn(flat):
    plain = wrap(classifier(flat))
    for train in (adversarial_training, madry_training):
        with pytest.raises(TypeError, match="retrain_on_attacked"):
            train(plain, flat)


def test_retraining_is_not_for_networks(flat):
    class Network:
        model = object()

    with pytest.raises(TypeError, match="adversarial_training"):
        retrain_on_attacked(Network(), flat)
