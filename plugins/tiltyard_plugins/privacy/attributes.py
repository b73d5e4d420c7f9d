"""Attribute inference: does the model's answer give away a feature that the attacker does not know?"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from art.attacks.inference.attribute_inference import AttributeInferenceBaseline, AttributeInferenceBlackBox
from sklearn.model_selection import train_test_split

from tiltyard import task
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.privacy.membership import Learner
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Dataset, Estimator

MOST_VALUES = 10
Advantage = Annotated[
    Mapping[str, float],
    "with_model and without_model: share of the inputs whose feature was inferred, with the model's answer and from the other "
    "features alone; most_common: by always saying the commonest value; advantage: with less without; values; inputs",
]


@task(tags=["privacy", "attribute-inference", "black-box", "NISTAML.032", "AML.T0024"])
def attribute_inference(
    estimator: Estimator,
    dataset: Annotated[Dataset, "features (n, features); the one that the model was trained on"],
    *,
    feature: Annotated[int, "index of the feature to infer; it has ten values at most"],
    learner: Learner = "gb",
    seed: Seed = 0,
) -> Advantage:
    """Infer one feature of training inputs from the others and the model's answer, and from the others alone.

    What an attacker without the model finds is no leak of the model, so the advantage is what counts: ART's share alone would
    blame it for what the features say of each other. Threat model: black box with labels; the attacker has half of the training
    inputs in full and the others without the feature. Source: M. Fredrikson et al., "Privacy in Pharmacogenetics", USENIX
    Security 2014; S. Yeom et al., CSF 2018, arXiv:1709.01604. NIST AI 100-2: reconstruction (NISTAML.032). MITRE ATLAS:
    AML.T0024.
    """
    inputs = as_inputs(dataset.x_train)
    if inputs.ndim != 2 or not 0 <= feature < inputs.shape[1]:
        raise ValueError(f"there is no feature {feature} among inputs of shape {dataset.shape}")
    values, counts = np.unique(inputs[:, feature], return_counts=True)
    if not 1 < len(values) <= MOST_VALUES:
        raise ValueError(
            f"feature {feature} has {len(values)} values, and 2 to {MOST_VALUES} can be inferred"
        )
    known, hidden = train_test_split(inputs, test_size=0.5, random_state=seed)
    truth, rest = hidden[:, feature], np.delete(hidden, feature, axis=1)
    with seeded(seed):
        attack = AttributeInferenceBlackBox(estimator, attack_model_type=learner, attack_feature=feature)
        attack.fit(known)
        answers = predict(estimator, hidden).reshape(
            -1, 1
        )  # as ART has them when it fits: labels, in a column
        found = _share(attack.infer(rest, pred=answers, values=list(values)), truth)
        baseline = AttributeInferenceBaseline(attack_model_type=learner, attack_feature=feature)
        baseline.fit(known)
        without = _share(baseline.infer(rest, values=list(values)), truth)
    return {
        "with_model": found,
        "without_model": without,
        "most_common": _share(np.full(len(truth), values[counts.argmax()]), truth),
        "advantage": found - without,
        "values": len(values),
        "inputs": len(truth),
    }


def _share(inferred: Any, truth: Any) -> float:
    return float(np.mean(np.isclose(np.ravel(inferred), truth)))
