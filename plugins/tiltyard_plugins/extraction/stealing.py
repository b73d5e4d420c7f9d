"""Copycat and knockoff: training a copy on what the victim answers.

Threat model: black box; the attacker asks with inputs of their own, within a budget, and sees labels or probabilities. NIST AI
100-2: model extraction (NISTAML.031). MITRE ATLAS: AML.T0024.002.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from art.attacks.extraction import CopycatCNN, KnockoffNets
from sklearn.base import ClassifierMixin

from tiltyard import task, types
from tiltyard_plugins.extraction.thieves import (
    Answers,
    Budget,
    Copy,
    Pool,
    Thief,
    asked,
    rate_copy,
    ready,
    said_as,
    taken,
)
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Dataset, Estimator, Labels

BATCH = 64
Epochs = Annotated[int, "how often a network goes through the answers"]
Test = Annotated[Dataset, "the one whose test part says how good the copy is"]
Sampling = Annotated[
    Literal["random", "adaptive"],
    "which inputs to ask with: at random, or by what was learnt from labels so far, one at a time; for networks alone",
]


@task(
    tags=["extraction", "black-box", "NISTAML.031", "AML.T0024.002"],
    outputs={"copy": Estimator, "rating": Copy},
)
def copycat(
    victim: Estimator,
    thief: Thief,
    pool: Pool,
    dataset: Test,
    *,
    queries: Budget = 1000,
    answers: Answers = "labels",
    epochs: Epochs = 20,
    seed: Seed = 0,
) -> tuple[Estimator, Copy]:
    """Ask with inputs drawn from the pool, and train a copy on the answers.

    Threat model: black box; the attacker asks with inputs of their own, within a budget, and sees labels or probabilities.
    Source: J. Correia-Silva et al., "Copycat CNN: Stealing Knowledge by Persuading Confession with Random Non-Labeled Data",
    IJCNN 2018, arXiv:1806.05476. NIST AI 100-2: model extraction (NISTAML.031). MITRE ATLAS: AML.T0024.002.
    """

    def attack() -> Any:
        return CopycatCNN(
            asked(victim),
            batch_size_fit=BATCH,
            batch_size_query=BATCH,
            nb_epochs=epochs,
            nb_stolen=queries,
            use_probability=said_as(thief, answers),
        )

    return _steal(attack, victim, thief, taken(pool, queries), dataset, queries=queries, seed=seed)


@task(
    tags=["extraction", "black-box", "NISTAML.031", "AML.T0024.002"],
    outputs={"copy": Estimator, "rating": Copy},
)
def knockoff(
    victim: Estimator,
    thief: Thief,
    pool: Pool,
    dataset: Test,
    *,
    labels: Annotated[
        Labels | None, "the attacker's own of the pool, which adaptive sampling goes by"
    ] = None,
    queries: Budget = 1000,
    answers: Answers = "labels",
    sampling: Sampling = "random",
    epochs: Epochs = 20,
    seed: Seed = 0,
) -> tuple[Estimator, Copy]:
    """Ask with inputs drawn at random or adaptively, and train a copy on the answers.

    Adaptive sampling is weak at few queries, and asks for labels only. Threat model: black box; the attacker asks with inputs
    of their own, within a budget, and sees labels or probabilities. Source: T. Orekondy, B. Schiele, M. Fritz, "Knockoff Nets:
    Stealing Functionality of Black-Box Models", CVPR 2019, arXiv:1812.02766. NIST AI 100-2: model extraction
    (NISTAML.031). MITRE ATLAS: AML.T0024.002.
    """
    adaptive = sampling == "adaptive"
    if adaptive and (labels is None or isinstance(thief, ClassifierMixin)):
        raise ValueError("adaptive sampling goes by labels of the pool, and trains a network input by input")
    if adaptive and answers != "labels":
        raise ValueError("adaptive sampling learns from labels: ART would take them, unasked")

    def attack() -> Any:
        return KnockoffNets(
            asked(victim),
            batch_size_fit=BATCH,
            batch_size_query=BATCH,
            nb_epochs=epochs,
            nb_stolen=queries,
            sampling_strategy=sampling,
            use_probability=said_as(thief, answers),
            verbose=False,
        )

    own = labels if adaptive else None
    return _steal(attack, victim, thief, taken(pool, queries), dataset, own, queries=queries, seed=seed)


@task(tags=["extraction", "black-box", "metric", "NISTAML.031", "AML.T0024.002"])
def extraction_curve(
    victim: Estimator,
    thief: Thief,
    pool: Pool,
    dataset: Test,
    *,
    budgets: Annotated[Sequence[int], "numbers of queries, each with a thief of its own"] = (
        100,
        250,
        500,
        1000,
    ),
    answers: Answers = "labels",
    epochs: Epochs = 20,
    seed: Seed = 0,
) -> Annotated[types.Table, "a row for each budget, with what copycat says of the copy"]:
    """Steal by copycat with several budgets."""
    return [
        dict(
            copycat(victim, thief, pool, dataset, queries=budget, answers=answers, epochs=epochs, seed=seed)[
                1
            ]
        )
        for budget in budgets
    ]


def _steal(
    attack: Callable[[], Any],
    victim: Any,
    thief: Any,
    pool: Any,
    dataset: Any,
    labels: Any = None,
    *,
    queries: int,
    seed: int,
) -> tuple[Any, Any]:
    with seeded(seed), np.errstate(invalid="ignore", divide="ignore"):
        copy = attack().extract(pool, labels, thieved_classifier=ready(thief, victim))
    return copy, rate_copy(victim, copy, dataset, queries)
