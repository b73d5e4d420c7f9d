"""Random noise, the control of every attack: what a classifier loses to noise of the same size, no attacker is needed for."""

import numpy as np

from tiltyard import task
from tiltyard_plugins.evasion.crafting import within
from tiltyard_plugins.evasion.options import Eps, Norm, number_of
from tiltyard_plugins.toolbox import Seed, as_inputs
from tiltyard_plugins.types import Estimator, Inputs


@task(tags=["evasion", "control"])
def random_noise(
    estimator: Estimator, inputs: Inputs, *, eps: Eps = 0.1, norm: Norm = "linf", seed: Seed = 0
) -> Inputs:
    """Change inputs at random by as much as an attack with this budget: the control.

    Linf: each value by +eps or -eps, the largest noise there is in it; L2, L1: a random direction, eps long. What leaves the
    range of the inputs is cut off, as it is for attacks.
    """
    clean = within(estimator, inputs)
    draw = np.random.default_rng(seed)
    if norm == "linf":
        change = eps * draw.choice([-1.0, 1.0], size=clean.shape)
    else:
        change = draw.normal(size=clean.shape)
        lengths = np.linalg.norm(change.reshape(len(clean), -1), number_of(norm), axis=1)
        change *= eps / lengths.reshape(-1, *[1] * (clean.ndim - 1))
    return as_inputs(np.clip(clean + change, *estimator.clip_values))
