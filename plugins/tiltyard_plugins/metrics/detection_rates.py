"""How well scores tell two kinds of inputs apart, with the left end of the ROC curve, where alarms are rare and matter."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from tiltyard import task, types

Curve = Annotated[types.Table, "rows of fpr, tpr, threshold; fpr rises from 0 to 1"]
Rates = Annotated[
    Mapping[str, float],
    "auc (0.5: chance); tpr_at_fpr_0.01, tpr_at_fpr_0.001; smallest_fpr that so few negatives can show",
]


@task(tags=["metric", "detection"], outputs={"curve": Curve, "rates": Rates})
def roc(
    positive: Annotated[types.Array, "bool (n,): which inputs are of the kind that is looked for"],
    scores: Annotated[types.Array, "float (n,): the higher, the likelier of that kind"],
) -> tuple[Curve, Rates]:
    """Draw up the ROC curve, its area, and the true positive rate at 1 % and 0.1 % false alarms.

    Below `smallest_fpr` a rate is that with no false alarm at all. Source: N. Carlini et al., "Membership Inference Attacks
    From First Principles", S&P 2022, arXiv:2112.03570, on why the left end is what counts.
    """
    truth, found = np.asarray(positive, bool), np.asarray(scores, np.float64)
    if truth.all() or not truth.any():
        raise ValueError("there must be inputs of both kinds")
    fpr, tpr, thresholds = sklearn_roc_curve(truth, found, drop_intermediate=False)
    rows = [
        dict(zip(("fpr", "tpr", "threshold"), map(float, row), strict=True))
        for row in zip(fpr, tpr, thresholds, strict=True)
    ]
    return rows, {
        "auc": float(roc_auc_score(truth, found)),
        "tpr_at_fpr_0.01": float(tpr[fpr <= 0.01].max()),
        "tpr_at_fpr_0.001": float(tpr[fpr <= 0.001].max()),
        "smallest_fpr": 1 / int(np.sum(~truth)),
    }
