"""Attacks that choose their own steps: Auto-PGD, and AutoAttack, the ensemble that robustness is reported with.

Threat model: white box; a budget in a norm.
"""

from typing import Annotated, Literal

from art.attacks.evasion import AutoAttack, AutoProjectedGradientDescent, DeepFool, SquareAttack

from tiltyard import task
from tiltyard_plugins.evasion.crafting import Budget, craft
from tiltyard_plugins.evasion.options import AllowWeak, Eps, Iterations, Norm, Target, number_of
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Images, Inputs, Labels

BATCH = 256
LOSSES = {"cross_entropy": "cross_entropy", "logits_ratio": "difference_logits_ratio", "own": None}
Loss = Annotated[
    Literal["cross_entropy", "logits_ratio", "own"],
    "what is climbed; `own`: the estimator's own loss. The ratio needs four labels or more",
]


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def auto_pgd(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    norm: Norm = "linf",
    loss: Loss = "cross_entropy",
    iterations: Iterations = 50,
    restarts: Annotated[int, "random starts within eps, one at least"] = 1,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with Auto-PGD: projected gradient descent that halves its steps when they no longer help.

    White box, needs a network that gives scores (logits), of torch or Keras. Source: F. Croce, M. Hein, "Reliable Evaluation of
    Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks", ICML 2020, arXiv:2003.01690.
    NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: AutoProjectedGradientDescent(
            estimator,
            norm=number_of(norm),
            eps=eps,
            eps_step=2 * eps,
            max_iter=iterations,
            targeted=target is not None,
            nb_random_init=restarts,
            batch_size=BATCH,
            loss_type=LOSSES[loss],
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        budget=Budget(norm=norm, eps=eps),
        expect="nothing",
        climbs=loss != "logits_ratio",
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "white-box", "ensemble", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def auto_attack(
    estimator: Estimator,
    inputs: Images,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    norm: Norm = "linf",
    iterations: Annotated[int, "of each Auto-PGD; 100 in the paper"] = 100,
    restarts: Annotated[int, "of each Auto-PGD and of Square; 5 in the paper"] = 5,
    queries: Annotated[int, "of Square on each input; 5000 in the paper"] = 5000,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Images:
    """Attack with AutoAttack: Auto-PGD on two losses, DeepFool and Square, each on what the ones before could not win.

    White box, needs a network that gives scores (logits), of torch or Keras, images, and four labels or more. The settings of
    the paper take a second an image on two cores. Source: F. Croce, M. Hein, "Reliable Evaluation of Adversarial Robustness
    with an Ensemble of Diverse Parameter-free Attacks", ICML 2020, arXiv:2003.01690; as in ART, DeepFool stands for FAB, and
    Square is left out in other norms than Linf, in which ART's makes no numbers of small images.
    NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """

    def climb(loss: str) -> AutoProjectedGradientDescent:
        return AutoProjectedGradientDescent(
            estimator,
            norm=number_of(norm),
            eps=eps,
            eps_step=2 * eps,
            max_iter=iterations,
            nb_random_init=restarts,
            batch_size=BATCH,
            loss_type=LOSSES[loss],
            verbose=False,
        )

    def ensemble() -> AutoAttack:
        squares = [SquareAttack(estimator, eps=eps, max_iter=queries, nb_restarts=restarts, verbose=False)]
        return AutoAttack(
            estimator,
            norm=number_of(norm),
            eps=eps,
            eps_step=2 * eps,
            batch_size=BATCH,
            attacks=[
                climb("cross_entropy"),
                climb("logits_ratio"),
                DeepFool(estimator, max_iter=100, epsilon=1e-3, nb_grads=10, batch_size=BATCH, verbose=False),
                *(squares if norm == "linf" else []),
            ],
        )

    return craft(
        ensemble,
        estimator,
        inputs,
        labels,
        seed=seed,
        budget=Budget(norm=norm, eps=eps),
        expect="nothing",
        allow_weak=allow_weak,
    )
