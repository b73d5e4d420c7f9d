"""The security curve: what an attack leaves of a model's accuracy as its budget grows, beside noise of the same size."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import tiltyard
from tiltyard import task, types
from tiltyard_plugins.evasion import adaptive, gradient, score, sparse
from tiltyard_plugins.evasion.noise import random_noise
from tiltyard_plugins.evasion.options import AllowWeak, Norm
from tiltyard_plugins.metrics.accuracy import accuracy, robustness
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Inputs, Labels

Attack = Annotated[
    Literal["fgm", "pgd", "auto_pgd", "auto_attack", "square", "threshold"],
    "one of the attacks that have a budget",
]
_ATTACKS: dict[str, Any] = {
    "fgm": gradient.fgm,
    "pgd": gradient.pgd,
    "auto_pgd": adaptive.auto_pgd,
    "auto_attack": adaptive.auto_attack,
    "square": score.square,
    "threshold": sparse.threshold,
}
_LINF_ALONE = ("square", "threshold")
Points = Annotated[
    types.Table,
    "rows of eps, clean_accuracy, robust_accuracy, noise_accuracy (the control), attack_success, changed, inputs",
]


@task(tags=["metric", "evasion", "curve"])
def security_curve(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    attack: Attack = "fgm",
    eps: Annotated[Sequence[float], "the budgets, on the scale of the inputs"] = (
        0.02,
        0.05,
        0.1,
        0.15,
        0.2,
        0.3,
    ),
    norm: Norm = "linf",
    options: Annotated[Mapping[str, Any] | None, "for the attack, such as {steps: 40}"] = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Points:
    """Attack with every budget in turn, and measure what is left; tells its progress and each accuracy as it goes.

    A sound curve falls from the clean accuracy to nothing, and the one of the noise hardly falls where the attack wins: else
    the model hides its gradients, or the budget is so large that no attack is needed. Source: N. Carlini et al., "On Evaluating
    Adversarial Robustness", 2019, arXiv:1902.06705; B. Biggio, F. Roli, "Wild Patterns", 2018, arXiv:1712.03141.
    """
    if attack in _LINF_ALONE and norm != "linf":
        raise ValueError(f"{attack} measures its budget in linf alone")
    given = dict(options or {}) | ({} if attack in _LINF_ALONE else {"norm": norm})
    points = []
    for place, size in enumerate(sorted(eps), 1):
        attacked = _ATTACKS[attack](
            estimator, inputs, labels, eps=size, seed=seed, allow_weak=allow_weak, **given
        )
        noisy = random_noise(estimator, inputs, eps=size, norm=norm, seed=seed)
        measured = robustness(estimator, inputs, attacked, labels)
        points.append({"eps": float(size), "noise_accuracy": accuracy(estimator, noisy, labels), **measured})
        tiltyard.metric("robust_accuracy", measured["robust_accuracy"], step=place)
        tiltyard.progress(place, len(eps), f"{attack}, eps {size:g}")
    return points
