"""Label flips: the plainest poison, and the control that a cleverer one has to beat."""

from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.poisoning.masks import Fraction, Mask, draw
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Dataset


@task(
    tags=["poisoning", "black-box", "NISTAML.013", "AML.T0020"],
    outputs={"dataset": Dataset, "poisoned": Mask},
)
def flip_labels(
    dataset: Dataset,
    *,
    fraction: Fraction = 0.2,
    source: Annotated[int | None, "flip only inputs of this label; none: any"] = None,
    target: Annotated[int | None, "the label to give them; none: any other, drawn at random"] = None,
    seed: Seed = 0,
) -> tuple[Dataset, Mask]:
    """Give some training inputs a wrong label.

    Threat model: the attacker labels a share of the training data (a crowd worker, a feed) and sees nothing of the model.
    Source: B. Biggio, B. Nelson, P. Laskov, "Support Vector Machines Under Adversarial Label Noise", ACML 2011.
    NIST AI 100-2: data poisoning (NISTAML.013). MITRE ATLAS: AML.T0020.

    Args:
        dataset: whatever inputs; their labels alone change, in the training part alone.
        fraction: how much to flip.
        source: whose labels.
        target: to what.
        seed: of which are flipped, and to what.
    """
    random = np.random.default_rng(seed)
    labels = np.array(dataset.y_train)
    candidates = np.ones(len(labels), bool) if source is None else labels == source
    if target is not None:
        candidates &= labels != target
    mask = draw(random, candidates, fraction)
    wrong = (labels[mask] + random.integers(1, dataset.classes, mask.sum())) % dataset.classes
    labels[mask] = wrong if target is None else target
    return dataset.with_(y_train=labels), mask
