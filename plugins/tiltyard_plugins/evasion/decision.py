"""Attacks that see nothing but the label that the model decides on: HopSkipJump and the boundary attack.

Threat model: black box; the attacker sends inputs and reads the label, as often as the number of queries allows. They take any
model, trees as well. Neither has a budget: they start from noise that is taken for another label, and come nearer.
"""

from typing import Annotated, Literal

from art.attacks.evasion import BoundaryAttack, HopSkipJump

from tiltyard import task
from tiltyard_plugins.evasion.crafting import craft
from tiltyard_plugins.evasion.options import AllowWeak, Iterations, Target, number_of
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Inputs, Labels

Tries = Annotated[int, "random inputs that are tried for a start"]


@task(tags=["evasion", "black-box", "decision", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def hop_skip_jump(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    norm: Annotated[Literal["l2", "linf"], "what is made small"] = "l2",
    iterations: Iterations = 20,
    queries: Annotated[int, "largest number for one guess of the direction"] = 1000,
    first_queries: Annotated[int, "the same, for the first guess"] = 100,
    tries: Tries = 100,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with HopSkipJump: walk along the border of the decision, by directions guessed from labels alone.

    Black box, decisions. Source: J. Chen, M. Jordan, M. Wainwright, "HopSkipJumpAttack: A Query-Efficient Decision-Based
    Attack", S&P 2020, arXiv:1904.02144. NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    return craft(
        lambda: HopSkipJump(
            estimator,
            norm=number_of(norm),
            max_iter=iterations,
            max_eval=queries,
            init_eval=first_queries,
            init_size=tries,
            targeted=target is not None,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "black-box", "decision", "NISTAML.025", "AML.T0043.001", "AML.T0015"])
def boundary(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    iterations: Iterations = 300,
    trials: Annotated[int, "of a step across, before it is made smaller"] = 25,
    directions: Annotated[int, "random ones that are tried at a time"] = 20,
    tries: Tries = 100,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with the boundary attack: a random walk along the border of the decision, towards the input.

    Black box, decisions. Source: W. Brendel, J. Rauber, M. Bethge, "Decision-Based Adversarial Attacks: Reliable Attacks
    Against Black-Box Machine Learning Models", ICLR 2018, arXiv:1712.04248.
    NIST AI 100-2: black-box evasion (NISTAML.025). MITRE ATLAS: AML.T0043.001.
    """
    return craft(
        lambda: BoundaryAttack(
            estimator,
            targeted=False,
            max_iter=iterations,
            num_trial=trials,
            sample_size=directions,
            init_size=tries,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        allow_weak=allow_weak,
    )
