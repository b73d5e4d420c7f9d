"""Back doors by a trigger: what carries the trigger is taken for the target, everything else as before."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from art.attacks.poisoning import PoisoningAttackBackdoor

from tiltyard import task
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.poisoning.masks import Fraction, Mask, draw
from tiltyard_plugins.poisoning.triggers import Distance, Pattern, Value, stamp
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Dataset, Estimator

Target = Annotated[int, "the label that the trigger shall bring about"]
Success = Annotated[
    Mapping[str, float],
    "success and without_trigger: share of the test images of other labels that are taken for the target, with and without "
    "the trigger; accuracy on the untouched test images; images: how many success is a share of",
]


@task(
    tags=["poisoning", "backdoor", "black-box", "NISTAML.023", "AML.T0020", "AML.T0043.004"],
    outputs={"dataset": Dataset, "poisoned": Mask},
)
def backdoor(
    dataset: Annotated[Dataset, "of images"],
    *,
    target: Target = 0,
    fraction: Fraction = 0.05,
    pattern: Pattern = "pattern",
    value: Value = 1.0,
    distance: Distance = 2,
    seed: Seed = 0,
) -> tuple[Dataset, Mask]:
    """Put a trigger on some training images of other labels, and label them as the target.

    Threat model: the attacker adds to the training data, inputs and labels, and sees nothing of the model; later they put the
    trigger on what they want misread. Source: T. Gu, B. Dolan-Gavitt, S. Garg, "BadNets: Identifying Vulnerabilities in the
    Machine Learning Model Supply Chain", 2017, arXiv:1708.06733. NIST AI 100-2: backdoor poisoning (NISTAML.023).
    MITRE ATLAS: AML.T0020, AML.T0043.004.
    """
    images, labels = np.array(dataset.x_train), np.array(dataset.y_train)
    mask = draw(np.random.default_rng(seed), labels != target, fraction)
    attack = PoisoningAttackBackdoor(
        lambda chosen: stamp(chosen, pattern=pattern, value=value, distance=distance)
    )
    if not mask.any():  # a sweep's control, which ART would refuse
        return dataset, mask
    with seeded(seed):
        images[mask], labels[mask] = attack.poison(images[mask], np.full(mask.sum(), target))
    return dataset.with_(x_train=images, y_train=labels), mask


@task(tags=["poisoning", "backdoor", "metric"])
def backdoor_success(
    estimator: Estimator,
    dataset: Annotated[Dataset, "its test part untouched"],
    *,
    target: Target = 0,
    pattern: Pattern = "pattern",
    value: Value = 1.0,
    distance: Distance = 2,
) -> Success:
    """Measure how often the trigger works, beside how often the same images are misread without it.

    A clean model is the control: there the two are the same, near none.
    """
    others = dataset.y_test != target
    if not others.any():
        raise ValueError(f"every test image has the label {target} already")
    images = dataset.x_test[others]
    stamped = stamp(images, pattern=pattern, value=value, distance=distance)
    return {
        "success": float(np.mean(predict(estimator, stamped) == target)),
        "without_trigger": float(np.mean(predict(estimator, images) == target)),
        "accuracy": float(np.mean(predict(estimator, dataset.x_test) == dataset.y_test)),
        "images": int(others.sum()),
    }
