"""Membership inference with a model's predictions alone: by a learned attack, and by the plainest rule.

Members are the data set's training part, others its test part, as many of each. Half of both is what the attacker is given;
the other half is what the attack is rated on.
"""

from typing import Annotated, Any, Literal

import numpy as np
from art.attacks.inference.membership_inference import (
    MembershipInferenceBlackBox,
    MembershipInferenceBlackBoxRuleBased,
)

from tiltyard import task
from tiltyard_plugins.privacy.scores import AttackFailed, Members, Rates, Scores, membership_rates
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Data, Dataset, Estimator

Learner = Annotated[
    Literal["rf", "gb", "lr", "dt", "knn"],
    "random forest, gradient boosting, logistic regression, decision tree or nearest neighbours",
]
FEWEST = 20


@task(
    tags=["privacy", "membership-inference", "black-box", "NISTAML.033", "AML.T0024.000"],
    outputs={"rates": Rates, "scores": Scores, "members": Members},
)
def membership_black_box(
    estimator: Estimator,
    dataset: Annotated[Dataset, "the one that the model was trained on"],
    *,
    learner: Learner = "rf",
    seed: Seed = 0,
) -> tuple[Rates, Scores, Members]:
    """Learn from some known members and others what the model's predictions for members look like.

    Threat model: black box with probabilities; the attacker knows some of the training data and some that was not in it.
    Source: R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models", S&P 2017, arXiv:1610.05820.
    NIST AI 100-2: membership inference (NISTAML.033). MITRE ATLAS: AML.T0024.000.
    """
    (known_in, rated_in), (known_out, rated_out) = _halves(dataset, seed)
    with seeded(seed):
        attack = MembershipInferenceBlackBox(estimator, attack_model_type=learner)
        attack.fit(*known_in, *known_out)
        found = [attack.infer(*rated, probabilities=True)[:, 0] for rated in (rated_in, rated_out)]
    scores, members = np.concatenate(found), np.repeat([True, False], [len(part) for part in found])
    if np.ptp(scores) == 0:
        raise AttackFailed(
            f"the attacker's {learner} says the same of every input: take another, or more inputs"
        )
    return membership_rates(scores, members), scores, members


@task(
    tags=["privacy", "membership-inference", "black-box", "label-only", "NISTAML.033", "AML.T0024.000"],
    outputs={"rates": Rates, "scores": Scores, "members": Members},
)
def membership_rule_based(
    estimator: Estimator,
    dataset: Annotated[Dataset, "the one that the model was trained on"],
    *,
    seed: Seed = 0,
) -> tuple[Rates, Scores, Members]:
    """Take every input that the model gets right for a member: the gap between training and test accuracy, no more.

    The floor that other attacks must beat. A model can be far less private than this says. Threat model: black box, labels
    alone. Source: S. Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018,
    arXiv:1709.01604. NIST AI 100-2: membership inference (NISTAML.033). MITRE ATLAS: AML.T0024.000.
    """
    (_, rated_in), (_, rated_out) = _halves(dataset, seed)
    one_hot = np.eye(
        dataset.classes
    )  # ART counts the labels that it sees, and would miss those that it does not
    attack = MembershipInferenceBlackBoxRuleBased(estimator)
    found = [np.asarray(attack.infer(x, one_hot[y]), np.float64) for x, y in (rated_in, rated_out)]
    scores, members = np.concatenate(found), np.repeat([True, False], [len(part) for part in found])
    return membership_rates(scores, members), scores, members


def _halves(dataset: Data, seed: int) -> Any:
    """Known and rated inputs with their labels: first those of members, then those of others."""
    random = np.random.default_rng(seed)
    size = min(len(dataset.x_train), len(dataset.x_test))
    if size < FEWEST:
        raise ValueError(f"{size} members and as many others are too few: {FEWEST} at least")
    parts = []
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        drawn = random.permutation(len(x))[:size]
        parts.append([(as_inputs(x[half]), y[half]) for half in np.array_split(drawn, 2)])
    return parts
