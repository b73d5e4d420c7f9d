"""Accuracies along what an experiment varied: one model on many versions of its inputs, or many models on the same inputs.

They take the lists that steps with `foreach` give, and give the lists that `curves` takes.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.toolbox import as_labels
from tiltyard_plugins.types import Estimator, Inputs, Labels

Accuracies = Annotated[
    list[float], "share of the inputs that are read right, 0 to 1, in the order of what was given"
]


@task(tags=["metric", "report"])
def accuracies_on(
    estimator: Estimator,
    inputs: Annotated[Sequence[Inputs], "versions of the same inputs, such as attacked with growing eps"],
    labels: Labels,
) -> Accuracies:
    """Measure one model's accuracy on several versions of the same inputs."""
    return [_accuracy(estimator, version, labels) for version in inputs]


@task(tags=["metric", "report"])
def accuracies_of(
    estimators: Annotated[Sequence[Estimator], "such as trained on data with growing shares of poison"],
    inputs: Inputs,
    labels: Labels,
) -> Accuracies:
    """Measure the accuracy of several models on the same inputs."""
    return [_accuracy(estimator, inputs, labels) for estimator in estimators]


def _accuracy(estimator: Estimator, inputs: Inputs, labels: Labels) -> float:
    truth = as_labels(labels)
    if len(inputs) != len(truth) or not len(truth):
        raise ValueError(f"{len(inputs)} inputs and {len(truth)} labels have no accuracy")
    return float(np.mean(predict(estimator, inputs) == truth))
