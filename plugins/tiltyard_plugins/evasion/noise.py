"""Random noise, the control of every attack: what a classifier loses to noise of the same size, no attacker is needed for."""

from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.evasion.crafting import within
from tiltyard_plugins.evasion.options import Eps, Norm, number_of
from tiltyard_plugins.toolbox import Seed, as_inputs
from tiltyard_plugins.types import Estimator, Inputs


@task(tags=["evasion", "control"])
def random_noise(
    estimator: Estimator,
    inputs: Inputs,
    *,
    eps: Eps = 0.1,
    norm: Norm = "linf",
    signs: Annotated[bool, "linf: every value by the whole of eps, as gradient attacks change it"] = False,
    seed: Seed = 0,
) -> Inputs:
    """Change inputs at random by as much as an attack with this budget: the control.

    Linf: each value by a number drawn between -eps and +eps, or with `signs` by one of the two, the strictest control there is;
    L2, L1: a random direction, eps long. What leaves the range of the inputs is cut off, as it is for attacks.
    """
    clean = within(estimator, inputs)
    draw = np.random.default_rng(seed)
    if norm == "linf":
        change = draw.uniform(-eps, eps, size=clean.shape)
        change = eps * np.sign(change) if signs else change
    else:
        change = draw.normal(size=clean.shape)
        lengths = np.linalg.norm(change.reshape(len(clean), -1), number_of(norm), axis=1)
        change *= eps / lengths.reshape(-1, *[1] * (clean.ndim - 1))
    return as_inputs(np.clip(clean + change, *estimator.clip_values))
