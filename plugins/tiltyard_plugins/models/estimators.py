"""What every estimator can do, whichever library its model is from: predict, and be seen as a black box."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from art.estimators.classification import BlackBoxClassifierNeuralNetwork

from tiltyard import task
from tiltyard_plugins.toolbox import alone, as_inputs
from tiltyard_plugins.types import Estimator, Inputs, Labels, Probabilities

BATCH = 256


@task(tags=["model"])
def predict_probabilities(estimator: Estimator, inputs: Inputs) -> Probabilities:
    """Predict the probability of each label; scores are turned into probabilities by softmax, one-hot labels stay.

    An estimator of a network gives the scores (logits) before the softmax, one of scikit-learn gives probabilities.
    """
    with alone():
        scores = np.asarray(estimator.predict(as_inputs(inputs), batch_size=BATCH), dtype=np.float64)
    if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores.astype(np.float32)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@task(tags=["model"])
def predict(estimator: Estimator, inputs: Inputs) -> Labels:
    """Predict labels."""
    with alone():
        scores = estimator.predict(as_inputs(inputs), batch_size=BATCH)
    return np.argmax(scores, axis=1).astype(np.int64)


@task(tags=["model", "black-box"])
def black_box(
    estimator: Estimator,
    *,
    shape: Annotated[Sequence[int], "of one input as the attacker sees it: height, width, channels"],
) -> Estimator:
    """Hide everything but the predictions, and take images whatever the estimator takes.

    Attacks that ask for scores alone (Square, pixel and threshold) insist on images and on a network; behind this they can
    be used on any estimator, such as a random forest on flattened digits.
    """
    inner = tuple(estimator.input_shape)

    def scores(inputs: Any) -> Any:
        return estimator.predict(as_inputs(inputs).reshape(-1, *inner), batch_size=BATCH)

    return BlackBoxClassifierNeuralNetwork(
        scores,
        input_shape=tuple(shape),
        nb_classes=estimator.nb_classes,
        clip_values=estimator.clip_values,
        channels_first=False,
    )
