import numpy as np
import pytest

from tiltyard_plugins.data.packaged import diabetes
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.privacy.attributes import attribute_inference
from tiltyard_plugins.types import Data


@pytest.fixture(scope="module")
def telling():
    """The label is the secret feature, so that whoever hears the label knows the secret; the others say nothing."""
    random = np.random.default_rng(0)
    x = random.random((400, 4)).astype(np.float32)
    x[:, 2] = random.integers(0, 2, 400)
    y = x[:, 2].astype(np.int64)
    return Data(name="telling", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50], names=("0", "1"))


@pytest.mark.parametrize("learner", ["gb", "rf", "lr", "dt"])
def test_an_answer_that_is_the_feature_gives_it_away(telling, learner):
    found = attribute_inference(wrap(classifier(telling)), telling, feature=2, learner=learner)
    assert found["with_model"] > 0.95
    assert found["without_model"] < 0.65
    assert found["advantage"] > 0.3


def test_what_the_other_features_say_is_not_blamed_on_the_model():
    """Measured: 0.66 to 0.76 for sex from the others with or without the model; advantage -0.04 to 0.04."""
    patients = diabetes()
    found = attribute_inference(wrap(classifier(patients)), patients, feature=1, learner="lr")
    assert found["without_model"] > found["most_common"] + 0.05
    assert abs(found["advantage"]) < 0.1
    assert found["values"] == 2


def test_a_feature_of_many_values_or_none_is_refused(telling):
    model = wrap(classifier(telling))
    with pytest.raises(ValueError, match="values"):
        attribute_inference(model, telling, feature=0)
    with pytest.raises(ValueError, match="no feature 9"):
        attribute_inference(model, telling, feature=9)
