"""The classifiers that the collection's tests attack; each is trained once."""

from functools import cache
from typing import Any

from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import black_box
from tiltyard_plugins.types import Data


@cache
def flat_digits() -> Data:
    data: Data = digits(flat=True)
    return data


@cache
def logistic() -> Any:
    return wrap(classifier(flat_digits()))


@cache
def forest() -> Any:
    return wrap(classifier(flat_digits(), kind="random_forest", options={"n_estimators": 20}))


def hidden(estimator: Any) -> Any:
    """An estimator that only answers, to images."""
    return black_box(estimator, shape=(8, 8, 1))


def some(count: int) -> tuple[Any, Any]:
    return flat_digits().x_test[:count], flat_digits().y_test[:count]


def some_images(count: int) -> tuple[Any, Any]:
    return flat_digits().x_test[:count].reshape(-1, 8, 8, 1), flat_digits().y_test[:count]
