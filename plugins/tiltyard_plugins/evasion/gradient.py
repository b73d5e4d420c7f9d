"""Attacks along the gradient of the loss, with a budget: the fast gradient method and projected gradient descent.

Threat model: white box; the attacker knows the model and its weights and may change every value by a little.
"""

from typing import Annotated

from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent

from tiltyard import task
from tiltyard_plugins.evasion.crafting import Budget, craft
from tiltyard_plugins.evasion.options import AllowWeak, Eps, Norm, Target, number_of
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Inputs, Labels

BATCH = 256


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def fgm(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    norm: Norm = "linf",
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with the fast gradient method: one step of size eps up the loss.

    White box, needs gradients. Source: I. Goodfellow, J. Shlens, C. Szegedy, "Explaining and Harnessing Adversarial Examples",
    ICLR 2015, arXiv:1412.6572. NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: FastGradientMethod(
            estimator, norm=number_of(norm), eps=eps, targeted=target is not None, batch_size=BATCH
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        budget=Budget(norm=norm, eps=eps),
        expect="change",
        climbs=True,
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def pgd(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    norm: Norm = "linf",
    steps: Annotated[int, "number of steps"] = 20,
    step: Annotated[float | None, "size of a step; none: 2.5 eps / steps, as its authors have it"] = None,
    restarts: Annotated[int, "random starts within eps; 0: start at the input itself"] = 0,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with projected gradient descent: many small steps up the loss, each brought back to within eps.

    White box, needs gradients. Source: A. Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR
    2018, arXiv:1706.06083. NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: ProjectedGradientDescent(
            estimator,
            norm=number_of(norm),
            eps=eps,
            eps_step=step or min(eps, 2.5 * eps / steps),
            max_iter=steps,
            num_random_init=restarts,
            targeted=target is not None,
            batch_size=BATCH,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        budget=Budget(norm=norm, eps=eps),
        expect="change",
        climbs=True,
        allow_weak=allow_weak,
    )
