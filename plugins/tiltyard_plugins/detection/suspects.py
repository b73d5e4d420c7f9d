"""What a detector gives, and how right it is where the truth is known."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from sklearn.metrics import precision_score, recall_score

from tiltyard import task, types

__all__ = ["FeatureTable", "Suspects", "rate_detection"]

FeatureTable = Annotated[types.Array, "float (n, features): of each training input, as the network has them"]
Suspects = Annotated[types.Array, "bool (n,), true where the detector suspects poison"]
Truth = Annotated[types.Array, "bool (n,), true where there is poison"]
Rates = Annotated[
    Mapping[str, float],
    "precision and recall, 0 to 1, over all labels; precision_in_label and recall of the label that holds most of the poison; "
    "false_alarms: share of the clean inputs that are flagged; flagged and poison: how many",
]


@task(tags=["detection", "metric"])
def rate_detection(
    flagged: Suspects,
    poisoned: Truth,
    labels: Annotated[types.Array, "int (n,): those that the network was trained on"],
) -> Rates:
    """Say how much of what was flagged is poison, and how much of the poison was flagged.

    Most detectors suspect some of every label, so their precision over all labels is low even where they find the poison:
    that within the poisoned label is what an inspector sees who looks into it. Where nothing is flagged, precision is 0;
    where there is no poison, precision and recall are 0 and the false alarms tell.
    """
    suspects, truth, y = np.asarray(flagged, bool), np.asarray(poisoned, bool), np.asarray(labels)
    if not len(suspects) == len(truth) == len(y):
        raise ValueError(
            f"{len(suspects)} flags, {len(truth)} truths and {len(y)} labels are not of the same inputs"
        )
    inside = y == np.bincount(y[truth]).argmax() if truth.any() else np.ones(len(y), bool)
    return {
        "precision": float(precision_score(truth, suspects, zero_division=0)),
        "recall": float(recall_score(truth, suspects, zero_division=0)),
        "precision_in_label": float(precision_score(truth[inside], suspects[inside], zero_division=0)),
        "false_alarms": float(suspects[~truth].mean()) if (~truth).any() else 0.0,
        "flagged": int(suspects.sum()),
        "poison": int(truth.sum()),
    }
