"""The adversarial patch: one sticker that makes a model see the target in whatever image it is stuck on.

Threat model: white box while the patch is made; then it is printed, and needs no access to the image. ART's numpy patch is used
for every library: its torch one needs torchvision.
"""

import warnings
from typing import Annotated, Any

import numpy as np
from art.attacks.evasion import AdversarialPatchNumpy

from tiltyard import task, types
from tiltyard_plugins.evasion.crafting import AttackFailed, WeakAttack, within
from tiltyard_plugins.evasion.options import AllowWeak, Iterations
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Estimator, Images, Labels

Patch = Annotated[types.Array, "float32 (edge, edge, channels): the patch; round, its corners are not used"]
Scale = Annotated[float, "edge of the patch as a share of the image's shorter edge, 0 to 1"]
Rotation = Annotated[float, "largest rotation of the patch, degrees"]
Aim = Annotated[int, "the label that all images shall be taken for"]


@task(tags=["evasion", "patch", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def adversarial_patch(
    estimator: Estimator,
    inputs: Images,
    *,
    target: Aim = 0,
    scale: Scale = 0.5,
    rotation: Rotation = 22.5,
    iterations: Iterations = 100,
    rate: Annotated[float, "learning rate of the patch"] = 1.0,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Patch:
    """Make a patch that turns images into the target, wherever in them it is stuck.

    White box, needs a network of torch or Keras, and images of 8 by 8 or larger. A patch that does no better than one of random
    noise is a failed attack. Source: T. Brown et al., "Adversarial Patch", 2017, arXiv:1712.09665.
    NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    clean = within(estimator, inputs)
    goal = np.full(len(clean), target)
    with seeded(seed):
        attack = _attack(estimator, target, rotation, scale, iterations=iterations, rate=rate)
        patch = as_inputs(attack.generate(x=clean, y=goal)[0])
    low, high = estimator.clip_values
    noise = low + (high - low) * np.random.default_rng(seed).random(patch.shape)
    won, control = (
        float(
            np.mean(
                predict(
                    estimator, apply_patch(estimator, clean, it, scale=scale, rotation=rotation, seed=seed)
                )
                == target
            )
        )
        for it in (patch, noise)
    )
    if won <= control:
        said = f"the patch turns {won:.0%} of the images into {target}, and random noise turns {control:.0%}"
        if not allow_weak:
            raise AttackFailed(said)
        warnings.warn(said, WeakAttack, stacklevel=2)
    return patch


@task(tags=["evasion", "patch", "NISTAML.022", "AML.T0043", "AML.T0015"])
def apply_patch(
    estimator: Estimator,
    inputs: Images,
    patch: Patch,
    *,
    scale: Scale = 0.5,
    rotation: Rotation = 22.5,
    seed: Seed = 0,
) -> Images:
    """Stick a patch on every image, at a random place and turned at random.

    Threat model: the attacker puts a sticker into the scene, and needs no access to the model or the image any more. Source:
    T. Brown et al., "Adversarial Patch", 2017, arXiv:1712.09665. NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.
    """
    with seeded(seed):
        attack = _attack(estimator, 0, rotation, scale)
        return as_inputs(
            np.clip(
                attack.apply_patch(within(estimator, inputs), scale, as_inputs(patch)), *estimator.clip_values
            )
        )


@task(tags=["evasion", "patch", "metric"])
def patch_success(
    estimator: Estimator, patched: Images, labels: Labels, *, target: Aim = 0
) -> Annotated[float, "share of the images of another label that are taken for the target, 0 to 1"]:
    """Measure how many images of another label a patch turned into the target."""
    others = as_labels(labels) != target
    return float(np.mean(predict(estimator, as_inputs(patched)[others]) == target))


class _Patch(AdversarialPatchNumpy):  # type: ignore[misc]
    """Starts from a plain number: ART knows no number but Python's, and its own is numpy's."""

    def reset_patch(self, initial_patch_value: Any) -> None:
        super().reset_patch(float(initial_patch_value))


def _attack(
    estimator: Any, target: int, rotation: float, scale: float, *, iterations: int = 1, rate: float = 1.0
) -> Any:
    return _Patch(
        estimator,
        target=target,
        rotation_max=rotation,
        scale_min=float(scale),
        scale_max=float(scale),
        learning_rate=float(rate),
        max_iter=iterations,
        batch_size=128,
        verbose=False,
    )
