"""Attacks by evolution on whole images: a few pixels changed as one likes, or all of them by a little.

Threat model: black box; the attacker sends images and reads the scores. Both give back the image itself where they do not win.
"""

from typing import Annotated

from art.attacks.evasion import PixelAttack, ThresholdAttack

from tiltyard import task
from tiltyard_plugins.evasion.crafting import Budget, craft
from tiltyard_plugins.evasion.options import AllowWeak, Eps, Iterations, Target
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Images, Labels

DIFFERENTIAL_EVOLUTION = 1
"""ART's other strategy, CMA-ES, needs a package of its own."""


@task(tags=["evasion", "black-box", "score", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def pixel(
    estimator: Estimator,
    inputs: Images,
    labels: Labels,
    *,
    pixels: Annotated[int, "how many may be changed"] = 1,
    iterations: Iterations = 20,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Images:
    """Attack with the one-pixel attack: search by differential evolution for a few pixels to change at will.

    Black box, scores; images on a network, or on any estimator behind `black_box`. Source: J. Su, D. Vargas, K. Sakurai, "One
    Pixel Attack for Fooling Deep Neural Networks", IEEE TEVC 2019, arXiv:1710.08864.
    NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    return craft(
        lambda: PixelAttack(
            estimator,
            th=pixels,
            es=DIFFERENTIAL_EVOLUTION,
            max_iter=iterations,
            targeted=target is not None,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        expect="nothing",
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "black-box", "score", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def threshold(
    estimator: Estimator,
    inputs: Images,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    iterations: Iterations = 20,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Images:
    """Attack with the threshold attack: search by differential evolution, all pixels within eps (Linf).

    Black box, scores; images on a network, or on any estimator behind `black_box`. eps is taken in steps of 1/255 of the range,
    rounded down. Source: S. Kotyan, D. Vargas, "Adversarial Robustness Assessment: Why both L0 and Linf Attacks Are Necessary",
    2019, arXiv:1906.06026. NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    low, high = estimator.clip_values
    return craft(
        lambda: ThresholdAttack(
            estimator,
            th=max(1, int(eps / (high - low) * 255 + 1e-6)),
            es=DIFFERENTIAL_EVOLUTION,
            max_iter=iterations,
            targeted=target is not None,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        budget=Budget(norm="linf", eps=eps),
        expect="nothing",
        allow_weak=allow_weak,
    )
