"""How well scores tell members of the training data from others, above all where false alarms must be rare."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from tiltyard import task, types

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
    false, true, _ = roc_curve(truth, found, drop_intermediate=False)
    return {
        "auc": float(roc_auc_score(truth, found)),
        "advantage": float(np.max(true - false)),
        "tpr_at_fpr_0.01": _rate_at(0.01, false, true),
        "tpr_at_fpr_0.001": _rate_at(0.001, false, true),
        "smallest_fpr": 1 / int(np.sum(~truth)),
        "inputs": len(truth),
    }


def _rate_at(limit: float, false: Any, true: Any) -> float:
    return float(true[false <= limit].max())
