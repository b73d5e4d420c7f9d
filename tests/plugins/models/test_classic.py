"""scikit-learn's classifiers train, are wrapped, and are kept."""

from pathlib import Path

import numpy as np
import pytest

from tests.plugins.victims import flat_digits, hidden, logistic, some, some_images
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.metrics.accuracy import accuracy
from tiltyard_plugins.models.classic import classifier, load_model, save_model, wrap
from tiltyard_plugins.models.estimators import predict, predict_probabilities
from tiltyard_plugins.toolbox import seeded


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("logistic_regression", 0.95),
        ("svc", 0.98),
        ("random_forest", 0.95),
        ("naive_bayes", 0.75),
        ("decision_tree", 0.8),
    ],
)
def test_a_classifier_reaches_the_accuracy_that_it_is_known_for(kind: str, least: float) -> None:
    data = flat_digits()
    assert accuracy(wrap(classifier(data, kind=kind)), data.x_test, data.y_test) >= least


def test_the_same_seed_grows_the_same_forest() -> None:
    data, small = digits(flat=True, limit=300), {"n_estimators": 5}
    one, other = (wrap(classifier(data, kind="random_forest", options=small, seed=7)) for _ in range(2))
    assert np.array_equal(predict_probabilities(one, data.x_test), predict_probabilities(other, data.x_test))


def test_images_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="flatten them first"):
        classifier(digits(limit=100))


def test_a_saved_classifier_says_the_same(tmp_path: Path) -> None:
    x, _ = some(50)
    again = wrap(load_model(save_model(logistic().model, tmp_path / "models" / "lr.joblib")))
    assert np.array_equal(predict(again, x), predict(logistic(), x))


def test_probabilities_add_up_also_where_an_estimator_gives_scores() -> None:
    x, _ = some(20)
    rows = predict_probabilities(logistic(), x)
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)

    class Scores:
        def predict(self, *_: object, **__: object) -> object:
            return np.array([[1000.0, 0.0], [-3.0, -3.0]])

    assert np.allclose(predict_probabilities(Scores(), x[:2]), [[1, 0], [0.5, 0.5]])


def test_a_black_box_answers_to_images_what_the_model_answers_to_features() -> None:
    assert np.array_equal(predict(hidden(logistic()), some_images(30)[0]), predict(logistic(), some(30)[0]))
    assert not hasattr(hidden(logistic()), "loss_gradient")


def test_seeding_leaves_the_process_as_it_was() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the generator that the libraries share
    with seeded(99):
        assert isinstance(np.random.RandomState(0), np.random.RandomState)
        inside = np.random.RandomState().random()
    with seeded(99):
        assert np.random.RandomState().random() == inside
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
