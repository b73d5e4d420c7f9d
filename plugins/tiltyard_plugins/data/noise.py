"""Label noise: the mistakes of whoever labelled a data set, which no attacker made."""

from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Dataset


@task(tags=["data"])
def mislabel(
    dataset: Dataset,
    *,
    share: Annotated[float, "of the labels that are wrong, 0 to 1, on average"] = 0.2,
    seed: Seed = 0,
) -> Dataset:
    """Give some inputs a wrong label, in the training and in the test part alike.

    A poison (`flip_labels`) changes the training part alone. Where mistakes stand in the training part alone, an attack that
    tells its members from others would merely find the mistakes.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of the labels is from 0 to 1, not {share:g}")
    random = np.random.default_rng(seed)
    parts = {}
    for part in ("y_train", "y_test"):
        labels = np.array(getattr(dataset, part))
        wrong = random.random(len(labels)) < share
        labels[wrong] = (labels[wrong] + random.integers(1, dataset.classes, wrong.sum())) % dataset.classes
        parts[part] = labels
    return dataset.with_(**parts)
