"""Gradient matching, in torch: rightly labelled images that pull training towards misreading one chosen image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import torch
from art.attacks.poisoning import GradientMatchingAttack

from tiltyard import task
from tiltyard_plugins.poisoning.masks import Fraction, Mask, PoisonFailed
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Dataset, Estimator


@contextmanager
def _in_this_process() -> Iterator[None]:
    """Keep ART's data loaders from starting a process in every epoch, which costs more than the epoch.

    Only inside `seeded`, which lets no other task in.
    """
    loader = torch.utils.data.DataLoader

    def here(*args: Any, **options: Any) -> Any:
        return loader(*args, **{**options, "num_workers": 0})

    with patch("torch.utils.data.DataLoader", here):
        yield


@task(
    tags=["poisoning", "targeted", "clean-label", "torch", "NISTAML.024", "AML.T0020"],
    outputs={"dataset": Dataset, "poisoned": Mask},
)
def gradient_matching(
    proxy: Annotated[Estimator, "the attacker's own torch network, trained on the clean data"],
    dataset: Annotated[Dataset, "of images"],
    *,
    image: Annotated[int, "which of the test part shall be misread"],
    target: Annotated[int, "what it shall be taken for; the proxy's second guess is the easiest"],
    fraction: Fraction = 0.1,
    eps: Annotated[float, "largest change of a pixel (Linf), on the scale of the images"] = 0.3,
    steps: Annotated[int, "of the optimiser, for each try"] = 100,
    tries: Annotated[int, "with other images to poison; the best is kept"] = 1,
    seed: Seed = 0,
) -> tuple[Dataset, Mask]:
    """Change the target's own training images so that training on them has the gradient of misreading the chosen image.

    Threat model: the attacker adds rightly labelled images to the training data, and has a model of the same make; the victim
    trains anew, so that a hit is likely and never sure: try several seeds of the victim. Source: J. Geiping et al., "Witches'
    Brew: Industrial Scale Data Poisoning via Gradient Matching", ICLR 2021, arXiv:2009.02276. NIST AI 100-2: targeted poisoning
    (NISTAML.024). MITRE ATLAS: AML.T0020.
    """
    images, labels = as_inputs(dataset.x_train), as_labels(dataset.y_train)
    wanted, there = int(fraction * len(labels)), int(np.sum(labels == target))
    if not 0 < wanted <= there:  # ART would take those that there are, and not say so
        raise PoisonFailed(
            f"a share of {fraction:g} is {wanted} images, and there are only {there} of label {target}"
        )
    with seeded(seed), _in_this_process():
        attack = GradientMatchingAttack(
            proxy,
            percent_poison=fraction,
            epsilon=eps,
            max_trials=tries,
            max_epochs=steps,
            learning_rate_schedule=([0.3, 0.1, 0.01], [steps // 2, steps * 4 // 5, steps]),
            batch_size=256,
            clip_values=dataset.clip,
            verbose=0,
        )
        poisons, _ = attack.poison(
            as_inputs(dataset.x_test[image : image + 1]), np.array([target]), images, labels
        )
    changed = np.abs(poisons - images).reshape(len(images), -1).max(axis=1) > 0
    if not changed.any():
        raise PoisonFailed("no image was changed: give more steps, or look whether the proxy has gradients")
    return dataset.with_(x_train=as_inputs(poisons)), changed
