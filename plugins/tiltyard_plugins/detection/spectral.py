"""Spectral signatures: poison stands out along the direction in which a label's features spread most."""

from typing import Annotated

import numpy as np
from art.defences.detector.poison import SpectralSignatureDefense

from tiltyard import task, types
from tiltyard_plugins.detection.suspects import FeatureTable, Suspects
from tiltyard_plugins.types import Labels

Scores = Annotated[types.Array, "float (n,): how far out an input lies, in units of its label's features"]


@task(
    tags=["detection", "defence", "poisoning", "AML.M0007"], outputs={"flagged": Suspects, "scores": Scores}
)
def spectral_signatures(
    features: FeatureTable,
    labels: Labels,
    *,
    expected: Annotated[float, "share of a label's inputs that is thought to be poison, 0 to 1"] = 0.1,
    multiplier: Annotated[float, "how much more than that is flagged"] = 1.5,
    only: Annotated[int | None, "look into this label alone; none: into every one"] = None,
) -> tuple[Suspects, Scores]:
    """Flag, in every label, the inputs that lie furthest out along its features' first singular vector.

    `expected` times `multiplier` of each label is flagged *whether or not there is poison*: on clean data every flag is a
    false alarm. ART scores features that were not centred, against the paper's algorithm, and finds less; here they are.
    Source: B. Tran, J. Li, A. Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018, arXiv:1811.00636.
    Against: NIST AI 100-2 backdoor poisoning (NISTAML.023). MITRE ATLAS: AML.M0007.
    """
    share = expected * multiplier
    if not 0 < share < 1:
        raise ValueError(f"{expected:g} times {multiplier:g} is no share of the inputs between 0 and 1")
    table, y = np.asarray(features, np.float64).reshape(len(features), -1), np.asarray(labels)
    flagged, scores = np.zeros(len(y), bool), np.zeros(len(y))
    for label in np.unique(y) if only is None else [only]:
        own = np.flatnonzero(y == label)
        centred = table[own] - table[own].mean(axis=0)
        scores[own] = SpectralSignatureDefense.spectral_signature_scores(centred)[:, 0]
        flagged[own] = scores[own] > np.quantile(scores[own], 1 - share)
    return flagged, scores
