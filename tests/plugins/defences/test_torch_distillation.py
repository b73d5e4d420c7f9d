import numpy as np
import pytest

pytest.importorskip("torch")

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.defences.torch_distillation import defensive_distillation
from tiltyard_plugins.evasion.crafting import AttackFailed
from tiltyard_plugins.evasion.decision import hop_skip_jump
from tiltyard_plugins.evasion.gradient import pgd
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.models.torch_cnn import torch_cnn


def networks():
    return torch_cnn((8, 8, 1), 10, seed=2), torch_cnn((8, 8, 1), 10, seed=3)


def test_distillation_hides_its_gradients_and_falls_to_an_attack_on_decisions():
    """Measured at temperature 20: clean 0.95; most of the images have no gradient, so that PGD leaves 0.64 at eps 0.1."""
    images, few = digits(), slice(0, 10)
    student = defensive_distillation(*networks(), images)
    assert np.mean(predict(student, images.x_test) == images.y_test) > 0.9
    with pytest.raises(AttackFailed, match="as they were"):
        pgd(student, images.x_test, images.y_test, eps=0.1)
    attacked = hop_skip_jump(student, images.x_test[few], images.y_test[few])
    assert np.mean(predict(student, attacked) == images.y_test[few]) < 0.3


def test_a_temperature_below_one_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        defensive_distillation(*networks(), digits(limit=100), temperature=0.5)
