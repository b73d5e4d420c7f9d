"""Adversarial training where a model is only ever trained as a whole, as scikit-learn's are: in rounds."""

from typing import Annotated, Any

import numpy as np
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import SklearnClassifier
from sklearn.base import ClassifierMixin, clone

from tiltyard import task
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Dataset, Estimator


@task(tags=["defence", "training", "adversarial-training", "scikit-learn", "AML.M0003"])
def retrain_on_attacked(
    estimator: Annotated[
        Estimator, "around a classifier of scikit-learn with gradients, such as logistic_regression"
    ],
    dataset: Annotated[Dataset, "features"],
    *,
    eps: Annotated[float, "largest change of a value (Linf), on the scale of the inputs"] = 0.1,
    steps: Annotated[int, "of projected gradient descent"] = 10,
    rounds: Annotated[int, "how often the newest model is attacked and a new one trained"] = 10,
    seed: Seed = 0,
) -> Estimator:
    """Attack the model, train a new one on the clean and all attacked inputs, attack that one, and so on.

    Every input counts by a share of one, however often it was attacked: otherwise the growing sum of losses outweighs the
    classifier's regularisation, and the model becomes weaker than it was. A linear model has little room, and one that is
    regularised more may do as well: compare. Source: C. Szegedy et al., "Intriguing properties of neural networks", ICLR 2014,
    arXiv:1312.6199; A. Madry et al., ICLR 2018, arXiv:1706.06083. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS:
    AML.M0003.
    """
    if not isinstance(estimator.model, ClassifierMixin):
        raise TypeError("networks train batch by batch: see adversarial_training")
    clean, labels = as_inputs(dataset.x_train), dataset.y_train
    inputs, answers, current = clean, labels, estimator
    with seeded(seed):
        for _ in range(rounds):
            inputs = np.concatenate([inputs, _attacked(current, clean, labels, eps, steps)])
            answers = np.concatenate([answers, labels])
            weights = np.full(len(inputs), len(clean) / len(inputs))
            model = clone(estimator.model).fit(inputs, answers, sample_weight=weights)
            current = SklearnClassifier(model=model, clip_values=estimator.clip_values)
    return current


def _attacked(estimator: Any, inputs: Any, labels: Any, eps: float, steps: int) -> Any:
    attack = ProjectedGradientDescent(
        estimator, eps=eps, eps_step=2.5 * eps / steps, max_iter=steps, batch_size=256, verbose=False
    )
    return as_inputs(attack.generate(inputs, y=labels))
