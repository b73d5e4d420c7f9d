"""The data sets that come with scikit-learn, so that an experiment needs no file and no network."""

from typing import Annotated, Any

import numpy as np
from sklearn import datasets

from tiltyard import task
from tiltyard_plugins.data.split import Limit, TestShare, split
from tiltyard_plugins.data.tables import scale
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Dataset

Flat = Annotated[bool, "features (n, 64) for scikit-learn, and not images (n, 8, 8, 1) for networks"]


@task(tags=["data", "images"])
def digits(*, flat: Flat = False, test: TestShare = 0.25, limit: Limit = 0, seed: Seed = 0) -> Dataset:
    """Load 1,797 grey images of hand-written digits, 8 by 8, scaled to 0..1; ten labels.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    pack = datasets.load_digits()
    shape = (-1, 64) if flat else (-1, 8, 8, 1)
    inputs = np.reshape(pack.images / 16, shape)
    return split(
        inputs,
        pack.target,
        names=[str(n) for n in range(10)],
        test=test,
        limit=limit,
        seed=seed,
        name="digits",
    )


@task(tags=["data", "table"])
def breast_cancer(*, test: TestShare = 0.25, limit: Limit = 0, seed: Seed = 0) -> Dataset:
    """Load 569 tumours by 30 features of their cells; malignant (0) or benign (1).

    Each feature is scaled so that the training part spans 0 to 1.
    Source: W. Street, W. Wolberg, O. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
    """
    return _scaled(datasets.load_breast_cancer(), "breast_cancer", test, limit, seed)


@task(tags=["data", "table"])
def wine(*, test: TestShare = 0.25, limit: Limit = 0, seed: Seed = 0) -> Dataset:
    """Load 178 wines by 13 features of their chemistry; three cultivars.

    Each feature is scaled so that the training part spans 0 to 1.
    Source: S. Aeberhard, M. Forina, "Wine", UCI Machine Learning Repository, 1992.
    """
    return _scaled(datasets.load_wine(), "wine", test, limit, seed)


@task(tags=["data", "table"])
def diabetes(*, test: TestShare = 0.25, limit: Limit = 0, seed: Seed = 0) -> Dataset:
    """Load 442 patients by 10 features; whether the disease got on slower (0) or faster (1) than at the median.

    Each feature is scaled so that the training part spans 0 to 1. The measured progress is a number; the median makes labels.
    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics, 2004.
    """
    pack = datasets.load_diabetes()
    faster = (pack.target > np.median(pack.target)).astype(int)
    halves = split(
        pack.data, faster, names=["slower", "faster"], test=test, limit=limit, seed=seed, name="diabetes"
    )
    return scale(halves)


def _scaled(pack: Any, name: str, test: float, limit: int, seed: int) -> Dataset:
    names = [str(label) for label in pack.target_names]
    return scale(split(pack.data, pack.target, names=names, test=test, limit=limit, seed=seed, name=name))
