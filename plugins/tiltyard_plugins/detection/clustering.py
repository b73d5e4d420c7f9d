"""Activation clustering: the features of a poisoned label fall into two heaps, the clean one and the poison."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from art.defences.detector.poison.activation_defence import cluster_activations
from sklearn.metrics import silhouette_score

from tiltyard import task
from tiltyard_plugins.detection.suspects import FeatureTable, Suspects
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Labels

Heaps = Annotated[
    Mapping[str, Mapping[str, float]],
    "by label: size, the smaller heap's share of it; silhouette, -1 to 1, how well the heaps are parted; suspected, 0 or 1",
]


@task(tags=["detection", "defence", "poisoning", "AML.M0007"], outputs={"flagged": Suspects, "heaps": Heaps})
def activation_clustering(
    features: FeatureTable,
    labels: Labels,
    *,
    size: Annotated[
        float, "suspect the smaller heap where it is at most this share of its label; 0.5: always"
    ] = 0.35,
    silhouette: Annotated[float, "and where the heaps are parted this well, -1 to 1"] = 0.1,
    dimensions: Annotated[int, "to which the features are reduced by PCA"] = 10,
    seed: Seed = 0,
) -> tuple[Suspects, Heaps]:
    """Part each label's features into two heaps by k-means, and flag the smaller one where it looks like poison.

    Both limits are the paper's ways to tell poison from a label that merely has two kinds of inputs, which clean labels also
    have; with `size` 0.5 and `silhouette` -1 the smaller heap of every label is flagged. Labels with too few inputs to reduce
    (fewer than `dimensions`) are not looked into, and the heaps say so by a size of 0. ART's own "relative-size" stops with an
    error on labels that it clears; its clustering is used here and judged by these limits. Source: B. Chen et al., "Detecting
    Backdoor Attacks on Deep Neural Networks by Activation Clustering", SafeAI 2019, arXiv:1811.03728. Against: NIST AI 100-2
    backdoor poisoning (NISTAML.023). MITRE ATLAS: AML.M0007.
    """
    table, y = np.asarray(features, np.float64).reshape(len(features), -1), np.asarray(labels)
    flagged, heaps = np.zeros(len(y), bool), {}
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        small, found = _heaps(table[own], dimensions, seed)
        suspected = 0 < found["size"] <= size and found["silhouette"] >= silhouette
        flagged[own] = small & suspected
        heaps[str(label)] = {**found, "suspected": float(suspected)}
    return flagged, heaps


def _heaps(own: Any, dimensions: int, seed: int) -> tuple[Any, dict[str, float]]:
    """Which inputs of a label are in its smaller heap, and what the heaps are like."""
    if len(own) <= max(dimensions, 2):
        return np.zeros(len(own), bool), {"size": 0.0, "silhouette": 0.0}
    with seeded(seed):
        clusters, reduced = cluster_activations([own], nb_clusters=2, nb_dims=dimensions, reduce="PCA")
    sizes = np.bincount(clusters[0], minlength=2)
    if not sizes.all():
        return np.zeros(len(own), bool), {"size": 0.0, "silhouette": 0.0}
    parted = float(silhouette_score(reduced[0], clusters[0]))
    return clusters[0] == sizes.argmin(), {"size": float(sizes.min() / len(own)), "silhouette": parted}
