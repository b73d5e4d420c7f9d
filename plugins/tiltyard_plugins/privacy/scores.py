"""How well scores tell members of the training data from others, above all where false alarms must be rare."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from tiltyard import task, types
from tiltyard_plugins.metrics.detection_rates import roc

__all__ = ["AttackFailed", "Members", "Rates", "Scores", "membership_rates"]

Scores = Annotated[types.Array, "float (n,): the higher, the likelier a member"]
Members = Annotated[types.Array, "bool (n,), true for inputs that the model was trained on"]
Rates = Annotated[
    Mapping[str, float],
    "auc, 0.5: chance; advantage, largest true less false positive rate; tpr_at_fpr_0.01 and tpr_at_fpr_0.001; smallest_fpr "
    "that so few inputs can show; inputs",
]


class AttackFailed(Exception):
    """The attack did nothing, or could not have found anything: its result says nothing about the model's privacy."""


@task(tags=["privacy", "metric"])
def membership_rates(scores: Scores, members: Members) -> Rates:
    """Rate an attack by its ROC curve, its area and its left end.

    A mean over all inputs hides that a few can be told with certainty: the true positive rate at few false alarms shows them.
    Below `smallest_fpr` it is the rate with no false alarm at all. Source: N. Carlini et al., "Membership Inference Attacks
    From First Principles", S&P 2022, arXiv:2112.03570.
    """
    found, truth = np.asarray(scores, np.float64), np.asarray(members, bool)
    if truth.all() or not truth.any():
        raise ValueError("members and others are both needed")
    if not np.isfinite(found).all():
        raise AttackFailed("some scores are no numbers")
    curve, rates = roc(truth, found)
    advantage = max(point["tpr"] - point["fpr"] for point in curve)
    return {"auc": rates["auc"], "advantage": advantage, **rates, "inputs": len(truth)}
