"""Taking what a detector suspects out of the training data."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.detection.suspects import Suspects
from tiltyard_plugins.types import Dataset

Left = Annotated[Mapping[str, int], "how many training inputs were removed, and how many are left"]


@task(
    tags=["detection", "defence", "data", "AML.M0007"],
    outputs={"dataset": Dataset, "left": Left},
)
def remove_suspects(dataset: Dataset, flagged: Suspects) -> tuple[Dataset, Left]:
    """Leave the suspected inputs out of the training part. A label that would lose all its inputs is refused."""
    suspects = np.asarray(flagged, bool)
    if len(suspects) != len(dataset.y_train):
        raise ValueError(f"{len(suspects)} flags are not of {len(dataset.y_train)} training inputs")
    kept = ~suspects
    lost = sorted(set(np.unique(dataset.y_train)) - set(np.unique(dataset.y_train[kept])))
    if lost:
        raise ValueError(f"every training input of the labels {', '.join(map(str, lost))} is suspected")
    left = {"removed": int(suspects.sum()), "left": int(kept.sum())}
    return dataset.with_(x_train=dataset.x_train[kept], y_train=dataset.y_train[kept]), left
