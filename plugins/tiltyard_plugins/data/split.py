"""Splitting inputs and labels into a part to train on and a part to test on, and turning images into features.

A split is stratified and seeded. A data set too small to hold every label in both parts is refused.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from sklearn.model_selection import train_test_split

from tiltyard import task, types
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels
from tiltyard_plugins.types import Data, Dataset, Inputs, Labels

TestShare = Annotated[float, "share of the inputs to test on, between 0 and 1"]
Limit = Annotated[int, "how many inputs to take, drawn with all labels in their shares; 0: all"]


@task(tags=["data"])
def split(
    inputs: Inputs,
    labels: Labels,
    *,
    names: Annotated[Sequence[str], "what the labels mean, in their order; none: their numbers"] = (),
    test: TestShare = 0.25,
    limit: Limit = 0,
    seed: Seed = 0,
    name: Annotated[str, "of the data set"] = "data",
) -> Dataset:
    """Split inputs and labels, each label in the same shares in both parts."""
    x, y = as_inputs(inputs), as_labels(labels)
    if len(x) != len(y):
        raise ValueError(f"there are {len(x)} inputs and {len(y)} labels")
    if 0 < limit < len(x):
        x, _, y, _ = train_test_split(x, y, train_size=limit, stratify=y, random_state=seed)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=test, stratify=y, random_state=seed)
    meant = tuple(map(str, names)) or tuple(map(str, range(int(y.max()) + 1)))
    return Data(name=name, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, names=meant)


@task(tags=["data"])
def as_features(dataset: Dataset) -> Dataset:
    """Flatten images into features, which is what scikit-learn's classifiers take."""
    return dataset.with_(x_train=_flat(dataset.x_train), x_test=_flat(dataset.x_test))


@task(tags=["data"])
def as_images(
    dataset: Dataset,
    *,
    shape: Annotated[Sequence[int], "height, width, channels; their product is the number of features"],
) -> Dataset:
    """Fold features into images, which is what networks and the attacks on single pixels take."""
    height, width, channels = shape
    return dataset.with_(
        x_train=np.reshape(dataset.x_train, (-1, height, width, channels)),
        x_test=np.reshape(dataset.x_test, (-1, height, width, channels)),
    )


@task(tags=["data"], outputs={"inputs": Inputs, "labels": Labels})
def sample(
    inputs: Inputs,
    labels: Labels,
    *,
    size: Annotated[int, "how many to take"],
    seed: Seed = 0,
) -> tuple[Inputs, Labels]:
    """Take some inputs and their labels, at random and without repeating; all of them where there are no more."""
    chosen = np.random.default_rng(seed).permutation(len(inputs))[:size]
    return as_inputs(inputs)[chosen], as_labels(labels)[chosen]


@task(tags=["data"], outputs={"inputs": Inputs, "labels": Labels})
def held_out(dataset: Dataset) -> tuple[Inputs, Labels]:
    """Give the inputs and labels to test on, which attacks and metrics take."""
    return dataset.x_test, dataset.y_test


@task(tags=["data"], outputs={"inputs": Inputs, "labels": Labels})
def training_part(dataset: Dataset) -> tuple[Inputs, Labels]:
    """Give the inputs and labels to train on, which detectors of poison look through."""
    return dataset.x_train, dataset.y_train


def _flat(inputs: types.Array) -> types.Array:
    return np.reshape(inputs, (len(inputs), -1))
