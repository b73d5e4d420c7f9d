"""What a model gets right: on clean inputs, and under attack."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from sklearn import metrics

from tiltyard import task, types
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.toolbox import as_labels
from tiltyard_plugins.types import Estimator, Inputs, Labels

Robustness = Annotated[
    Mapping[str, float],
    "clean_accuracy, robust_accuracy: shares of all inputs; attack_success: share won of those that were still to be won; "
    "changed: share of those that the attack changed at all; inputs: how many",
]
Scores = Annotated[
    Mapping[str, float], "accuracy, balanced_accuracy, precision, recall, f1 (means over labels), mcc"
]


@task(tags=["metric"])
def accuracy(
    estimator: Estimator, inputs: Inputs, labels: Labels
) -> Annotated[float, "share got right, 0 to 1"]:
    """Measure the share of the inputs that the model gets right."""
    return float(np.mean(predict(estimator, inputs) == as_labels(labels)))


@task(tags=["metric", "evasion"])
def robustness(
    estimator: Estimator,
    inputs: Inputs,
    attacked: Inputs,
    labels: Labels,
    *,
    target: Annotated[int | None, "the label that the attack aimed at; none: any wrong one"] = None,
) -> Robustness:
    """Measure what an attack left of a model's accuracy.

    An attack that changed nothing (`changed` near 0) says nothing about the model, whatever the accuracy. Inputs that the model
    has wrong without any attack count as wrong under attack too: an attacker would leave them as they are.
    """
    clean, hit, truth = np.asarray(inputs), np.asarray(attacked), as_labels(labels)
    before, after = predict(estimator, clean), predict(estimator, hit)
    open_ = before == truth if target is None else before != target
    won = after != truth if target is None else after == target
    moved = np.any((clean != hit).reshape(len(clean), -1), axis=1)
    return {
        "clean_accuracy": float(np.mean(before == truth)),
        "robust_accuracy": float(np.mean((before == truth) & (after == truth))),
        "attack_success": float(np.mean(won[open_])) if open_.any() else 0.0,
        "changed": float(np.mean(moved[open_])) if open_.any() else 0.0,
        "inputs": len(clean),
    }


@task(tags=["metric"])
def performance(labels: Labels, predicted: Labels) -> Scores:
    """Measure predictions by scikit-learn's scores for classifiers; a label that was never predicted has precision 0."""
    truth, said = as_labels(labels), as_labels(predicted)
    means = {"average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float(metrics.accuracy_score(truth, said)),
        "balanced_accuracy": float(metrics.recall_score(truth, said, labels=np.unique(truth), **means)),
        "precision": float(metrics.precision_score(truth, said, **means)),
        "recall": float(metrics.recall_score(truth, said, **means)),
        "f1": float(metrics.f1_score(truth, said, **means)),
        "mcc": float(metrics.matthews_corrcoef(truth, said)),
    }


@task(tags=["metric"])
def confusion_matrix(
    labels: Labels,
    predicted: Labels,
    *,
    classes: Annotated[int, "how many labels there are; 0: those that occur"] = 0,
) -> Annotated[types.Array, "int64 (classes, classes): rows are what is true, columns what was said"]:
    """Count which label was taken for which."""
    names = np.arange(classes) if classes else None
    return np.asarray(metrics.confusion_matrix(as_labels(labels), as_labels(predicted), labels=names))
