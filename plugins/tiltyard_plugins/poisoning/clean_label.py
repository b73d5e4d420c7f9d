"""The back door whose poisoned images all keep their right label, so that nobody who looks at them is warned."""

from typing import Annotated, Any

import numpy as np
from art.attacks.poisoning import PoisoningAttackBackdoor, PoisoningAttackCleanLabelBackdoor

from tiltyard import task
from tiltyard_plugins.poisoning.backdoor import Target
from tiltyard_plugins.poisoning.masks import Mask, PoisonFailed, draw
from tiltyard_plugins.poisoning.triggers import Distance, Pattern, Value, stamp
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Dataset, Estimator

UNCHANGED = 1e-6
"""On the scale of the images: float32 rounds that much."""


@task(
    tags=["poisoning", "backdoor", "clean-label", "NISTAML.021", "AML.T0020", "AML.T0043.004"],
    outputs={"dataset": Dataset, "poisoned": Mask},
)
def clean_label_backdoor(
    proxy: Annotated[Estimator, "the attacker's own, trained on clean images; with gradients"],
    dataset: Annotated[Dataset, "of images"],
    *,
    target: Target = 0,
    share: Annotated[float, "share of the target's own training images to poison, above 0 and below 1"] = 0.5,
    eps: Annotated[float, "largest change of a pixel before the trigger is put on (Linf)"] = 0.3,
    steps: Annotated[int, "steps of projected gradient descent"] = 20,
    pattern: Pattern = "pattern",
    value: Value = 1.0,
    distance: Distance = 2,
    seed: Seed = 0,
) -> tuple[Dataset, Mask]:
    """Make some of the target's own images hard to recognise, and put a trigger on them: the trigger is what is left to learn.

    Threat model: the attacker adds rightly labelled images to the training data and has a model of their own of the same task.
    ART draws images twice over and poisons fewer than it was asked to; here each is drawn once. Proxies whose gradients change
    nothing are refused (`PoisonFailed`). Source: A. Turner, D. Tsipras, A. Madry, "Label-Consistent Backdoor Attacks", 2019,
    arXiv:1912.02771. NIST AI 100-2: clean-label backdoor (NISTAML.021). MITRE ATLAS: AML.T0020, AML.T0043.004.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share of the target's images is above 0 and below 1, not {share:g}")
    images, labels = as_inputs(dataset.x_train).copy(), dataset.y_train
    mask = draw(np.random.default_rng(seed), labels == target, share * float(np.mean(labels == target)))
    with seeded(seed):
        attack = PoisoningAttackCleanLabelBackdoor(
            backdoor=PoisoningAttackBackdoor(
                lambda chosen: stamp(chosen, pattern=pattern, value=value, distance=distance)
            ),
            proxy_classifier=proxy,
            target=np.eye(dataset.classes)[target],
            pp_poison=share,
            eps=eps,
            eps_step=min(eps, 2.5 * eps / steps),
            max_iter=steps,
        )
        attack.attack.set_params(verbose=False)
        hard = as_inputs(attack.attack.generate(images[mask]))
    _see_that_most_changed(images[mask], hard)
    images[mask], _ = attack.backdoor.poison(hard, labels[mask])
    return dataset.with_(x_train=images), mask


def _see_that_most_changed(before: Any, after: Any) -> None:
    still = np.abs(after - before).reshape(len(after), -1).max(axis=1) <= UNCHANGED
    if still.mean() > 0.5:
        raise PoisonFailed(
            f"the proxy's gradients left {still.sum()} of {len(still)} images as they were: they would be poisoned by the "
            "trigger alone. Train the proxy less sharply, or give more steps"
        )
