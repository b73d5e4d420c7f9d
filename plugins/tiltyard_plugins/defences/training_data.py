"""Defences that change what a model is trained on: noisy copies of the inputs, and softer labels."""

from typing import Annotated

import numpy as np
from art.defences.preprocessor import GaussianAugmentation, LabelSmoothing
from sklearn.base import ClassifierMixin

from tiltyard import task
from tiltyard_plugins.defences.preprocessing import DefenceUseless, with_defence
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Dataset, Estimator


@task(tags=["defence", "data", "AML.M0003"])
def gaussian_augmentation(
    dataset: Dataset,
    *,
    sigma: Annotated[float, "standard deviation of the noise, on the scale of the inputs"] = 0.1,
    ratio: Annotated[float, "noisy copies to add, as a share of the training part"] = 1.0,
    seed: Seed = 0,
) -> Dataset:
    """Add noisy copies of training inputs, with their labels, kept within the data set's range.

    Source: V. Zantedeschi, M.-I. Nicolae, A. Rawat, "Efficient Defenses Against Adversarial Attacks", AISec 2017,
    arXiv:1707.06728. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0003.
    """
    if sigma <= 0 or round(ratio * len(dataset.x_train)) < 1:
        raise DefenceUseless("without noise, or without a single copy, nothing is added")
    defence = GaussianAugmentation(sigma=sigma, augmentation=True, ratio=ratio, clip_values=dataset.clip)
    with seeded(seed):
        inputs, labels = defence(as_inputs(dataset.x_train), as_labels(dataset.y_train))
    return dataset.with_(x_train=as_inputs(inputs), y_train=as_labels(labels))


@task(tags=["defence", "training", "AML.M0003"])
def label_smoothing(
    estimator: Annotated[Estimator, "around a network that is still to be trained"],
    *,
    largest: Annotated[
        float, "what the right label gets, above 1 / labels and below 1; the others share the rest"
    ] = 0.9,
) -> Estimator:
    """Train with soft labels: give the estimator that comes back to `fit_torch`, or call its fit.

    What learns from the likeliest label alone (scikit-learn's classifiers, a sparse loss) would undo it unasked: refused.
    Robustness that this seems to give is often hidden gradients. Source: D. Warde-Farley, I. Goodfellow, "Adversarial
    Perturbations of Deep Neural Networks", in Perturbations, Optimization and Statistics, 2016. Against: NIST AI 100-2 evasion
    (NISTAML.022). MITRE ATLAS: AML.M0003.
    """
    if not 1 / estimator.nb_classes < largest < 1:
        raise ValueError(
            f"the right label gets more than 1 / {estimator.nb_classes} and less than 1, not {largest:g}"
        )
    undone = getattr(estimator, "_reduce_labels", False) and not getattr(
        estimator, "_probability_labels", False
    )
    if undone or isinstance(estimator.model, ClassifierMixin):
        raise DefenceUseless(f"{type(estimator).__name__} would turn the soft labels into hard ones again")
    defence = LabelSmoothing(max_value=float(np.float32(largest)))
    return with_defence(estimator, defence)
