"""Adversarial training of networks: each batch, or a part of it, is attacked before the network learns from it.

The estimator is trained from where it stands, and it comes back itself. MITRE ATLAS: AML.M0003.
"""

from typing import Annotated, Any, Literal

import numpy as np
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.defences.trainer import AdversarialTrainer, AdversarialTrainerMadryPGD
from sklearn.base import ClassifierMixin

from tiltyard import task
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Dataset, Estimator

Network = Annotated[
    Estimator, "around a network with gradients; it is trained further, and comes back itself"
]
Eps = Annotated[float, "largest change of a value (Linf), on the scale of the inputs"]
Epochs = Annotated[int, "how often the training part is gone through"]
Batch = Annotated[int, "inputs in a batch"]
Steps = Annotated[int, "of projected gradient descent, for each batch"]


@task(tags=["defence", "training", "adversarial-training", "AML.M0003"])
def adversarial_training(
    estimator: Network,
    dataset: Dataset,
    *,
    attack: Annotated[Literal["fgm", "pgd"], "a single step, or projected gradient descent"] = "fgm",
    eps: Eps = 0.1,
    ratio: Annotated[float, "share of each batch that is attacked, above 0 to 1"] = 0.5,
    steps: Steps = 7,
    epochs: Epochs = 10,
    batch: Batch = 64,
    seed: Seed = 0,
) -> Estimator:
    """Train on a mixture of clean and attacked inputs.

    Training against a single step can end in a network that fools that step alone: attack it with PGD, too. Source: I.
    Goodfellow, J. Shlens, C. Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, arXiv:1412.6572. Against:
    NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0003.
    """
    _network(estimator)
    with seeded(seed):
        if attack == "fgm":
            attacker: Any = FastGradientMethod(estimator, eps=eps, batch_size=batch)
        else:
            attacker = ProjectedGradientDescent(
                estimator,
                eps=eps,
                eps_step=2.5 * eps / steps,
                max_iter=steps,
                batch_size=batch,
                verbose=False,
            )
        trainer = AdversarialTrainer(estimator, attacker, ratio=ratio)
        trainer.fit(as_inputs(dataset.x_train), _one_hot(dataset), batch_size=batch, nb_epochs=epochs)
    return estimator


@task(tags=["defence", "training", "adversarial-training", "AML.M0003"])
def madry_training(
    estimator: Network,
    dataset: Dataset,
    *,
    eps: Eps = 0.1,
    steps: Steps = 7,
    epochs: Epochs = 15,
    batch: Batch = 64,
    seed: Seed = 0,
) -> Estimator:
    """Train on inputs attacked by projected gradient descent from a random start, and on nothing else.

    Costs about `steps` + 1 times an ordinary training. Where `eps` is large for the network, train it on clean inputs first: it
    may otherwise learn to say the same of everything, which `LearntNothing` reports. Source: A. Madry et al., "Towards Deep
    Learning Models Resistant to Adversarial Attacks", ICLR 2018, arXiv:1706.06083. Against: NIST AI 100-2 evasion
    (NISTAML.022). MITRE ATLAS: AML.M0003.
    """
    _network(estimator)
    inputs = as_inputs(dataset.x_train)
    with seeded(seed):
        trainer = AdversarialTrainerMadryPGD(
            estimator, nb_epochs=epochs, batch_size=batch, eps=eps, eps_step=2.5 * eps / steps, max_iter=steps
        )
        trainer.fit(inputs, _one_hot(dataset))
        if len(np.unique(np.argmax(estimator.predict(inputs), axis=1))) == 1:
            raise LearntNothing(
                f"the network says the same of every input: eps {eps:g} is too much to begin with"
            )
    return estimator


class LearntNothing(Exception):
    """The trained model says the same of every input: no attack changes that, and it is no robustness."""


def _one_hot(dataset: Any) -> Any:
    return np.eye(dataset.classes, dtype=np.float32)[as_labels(dataset.y_train)]


def _network(estimator: Any) -> None:
    if isinstance(estimator.model, ClassifierMixin):
        raise TypeError("scikit-learn's classifiers do not train batch by batch: see retrain_on_attacked")
