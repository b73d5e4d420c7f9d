"""How far attacked inputs lie from clean ones, in the norms of the field and the distances of older experiments."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from art.metrics import empirical_robustness as art_empirical_robustness
from scipy.stats import wasserstein_distance
from sklearn.metrics.pairwise import paired_cosine_distances

from tiltyard import task, types
from tiltyard_plugins.evasion.crafting import AttackFailed, within
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Estimator, Inputs

Distances = Annotated[
    types.Table, "a row for each input: l0, l1, l2, linf, mean_squared, relative_l2, cosine, wasserstein"
]
UNCHANGED = 1e-6
"""A change of no more than this is none in L0: float32 rounds that much."""


@task(tags=["metric"])
def distances(inputs: Inputs, attacked: Inputs) -> Distances:
    """Measure the distance of each attacked input from its clean one.

    l0: values that changed; l1 (Manhattan), l2 (Euclid), linf: norms of the change; mean_squared: mean of its squares;
    relative_l2: l2 as a share of the input's own; cosine: 1 - cosine of the angle between the two, 0 to 2; wasserstein: earth
    mover's distance between their values, wherever in the input they stand.
    """
    clean, hit = (np.asarray(part, dtype=np.float64).reshape(len(part), -1) for part in (inputs, attacked))
    change = np.abs(hit - clean)
    l2 = np.linalg.norm(change, axis=1)
    columns = {
        "l0": (change > UNCHANGED).sum(axis=1),
        "l1": change.sum(axis=1),
        "l2": l2,
        "linf": change.max(axis=1),
        "mean_squared": (change**2).mean(axis=1),
        "relative_l2": l2 / np.maximum(np.linalg.norm(clean, axis=1), np.finfo(float).tiny),
        "cosine": paired_cosine_distances(clean, hit),
        "wasserstein": [wasserstein_distance(one, other) for one, other in zip(clean, hit, strict=True)],
    }
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


@task(tags=["metric"])
def summary(
    rows: Annotated[types.Table, "rows of numbers, such as `distances` gives"],
) -> Annotated[Mapping[str, float], "name_mean, name_median and name_max of every column"]:
    """Sum columns of numbers up."""
    found: dict[str, float] = {}
    for name in rows[0]:
        values: Any = np.array([row[name] for row in rows])
        found |= {
            f"{name}_mean": float(values.mean()),
            f"{name}_median": float(np.median(values)),
            f"{name}_max": float(values.max()),
        }
    return found


@task(tags=["metric", "evasion"])
def empirical_robustness(
    estimator: Estimator,
    inputs: Inputs,
    *,
    attack: Annotated[Literal["fgm", "hop_skip_jump"], "fgm needs gradients, hop_skip_jump none"] = "fgm",
    step: Annotated[float, "fgm: by how much eps grows until it wins (Linf)"] = 0.02,
    largest: Annotated[float, "fgm: the eps that it gives up at"] = 1.0,
    seed: Seed = 0,
) -> Annotated[float, "mean smallest change that wins, as a share of the input's norm; larger: more robust"]:
    """Measure the smallest change that fools the model, on average over the inputs that could be fooled.

    Where nothing is fooled ART answers 0, which would read as the weakest model of all: here that is `AttackFailed`.
    Source: S. Moosavi-Dezfooli, A. Fawzi, P. Frossard, "DeepFool", CVPR 2016, arXiv:1511.04599.
    """
    clean = within(estimator, inputs)
    name, options = (
        ("fgsm", {"eps_step": step, "eps": largest}) if attack == "fgm" else ("hsj", {"verbose": False})
    )
    with seeded(seed):
        found = float(art_empirical_robustness(estimator, clean, name, options))
    if not found:
        raise AttackFailed(f"{attack} fooled the model on no input: how robust it is was not measured")
    return found
