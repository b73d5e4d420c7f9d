"""Attacks that see the scores of each label and no gradients: Square and ZOO.

Threat model: black box; the attacker sends inputs and reads the scores, as often as the number of queries allows.
"""

from typing import Annotated

import numpy as np
from art.attacks.evasion import SquareAttack, ZooAttack

from tiltyard import task
from tiltyard_plugins.evasion.crafting import Budget, craft
from tiltyard_plugins.evasion.options import AllowWeak, Eps, Iterations, Target
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Images, Inputs, Labels


@task(tags=["evasion", "black-box", "score", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def square(
    estimator: Estimator,
    inputs: Images,
    labels: Labels,
    *,
    eps: Eps = 0.1,
    queries: Annotated[int, "of the model's scores, on each input"] = 500,
    share: Annotated[float, "of the pixels that a square covers at the start, 0 to 1"] = 0.8,
    restarts: Annotated[int, "how often it starts again on what it did not win"] = 1,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Images:
    """Attack with Square: random squares of +eps and -eps, kept where they lower the right label's lead.

    Black box, scores; Linf alone: ART's L2 squares make no numbers of small images. Images on a network, or on any estimator
    behind `black_box`. Source: M. Andriushchenko et al., "Square
    Attack: a query-efficient black-box adversarial attack via random search", ECCV 2020, arXiv:1912.00049.
    NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    return craft(
        lambda: SquareAttack(
            estimator,
            norm=np.inf,
            eps=eps,
            max_iter=queries,
            p_init=share,
            nb_restarts=restarts,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        budget=Budget(norm="linf", eps=eps),
        expect="nothing",
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "black-box", "score", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def zoo(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    confidence: Annotated[float, "how far the wrong label's score must lie above the others"] = 0.0,
    iterations: Iterations = 60,
    rate: Annotated[float, "learning rate of the search"] = 0.3,
    searches: Annotated[int, "steps of the search for the weight of winning against nearness"] = 3,
    weight: Annotated[float, "that weight at the start"] = 1.0,
    difference: Annotated[
        float, "how far a value is moved to guess its gradient; trees need 0.1 or more"
    ] = 0.2,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with zeroth order optimisation: Carlini and Wagner's search, on gradients guessed from differences of scores.

    Black box, scores. Source: P.-Y. Chen et al., "ZOO: Zeroth Order Optimization Based Black-box Attacks to Deep Neural
    Networks without Training Substitute Models", AISec 2017, arXiv:1708.03999.
    NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    return craft(
        lambda: ZooAttack(
            estimator,
            confidence=confidence,
            targeted=target is not None,
            learning_rate=rate,
            max_iter=iterations,
            binary_search_steps=searches,
            initial_const=weight,
            abort_early=False,
            use_resize=False,
            use_importance=False,
            nb_parallel=min(64, int(estimator.input_shape[0])),
            variable_h=difference,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        allow_weak=allow_weak,
    )
