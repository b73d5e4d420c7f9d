"""Model inversion: what does the model think that a label looks like?"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from art.attacks.inference.model_inversion import MIFace

from tiltyard import task
from tiltyard_plugins.models.estimators import predict_probabilities
from tiltyard_plugins.privacy.scores import AttackFailed
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Dataset, Estimator, Inputs, Labels

Confidence = Annotated[
    Mapping[str, float], "before and after: the model's mean probability of the label, 0 to 1"
]
Likeness = Annotated[
    Mapping[str, float],
    "own: mean correlation with the mean training input of the label, -1 to 1; others: with those of other labels; matched: "
    "share of the inputs that are most like their own label's, beside which 1 / labels is chance",
]


@task(
    tags=["privacy", "model-inversion", "white-box", "NISTAML.032", "AML.T0024.001"],
    outputs={"inputs": Inputs, "labels": Labels, "confidence": Confidence},
)
def model_inversion(
    estimator: Annotated[Estimator, "with gradients by label"],
    *,
    labels: Annotated[Sequence[int], "whose inputs to infer; none: every label's"] = (),
    start: Annotated[float, "what every value starts from, on the scale of the inputs"] = 0.5,
    steps: Annotated[int, "of gradient ascent"] = 200,
    rate: Annotated[float, "how far a step goes along the gradient"] = 0.1,
    seed: Seed = 0,
) -> tuple[Inputs, Labels, Confidence]:
    """Climb up the model's score of a label from a grey input (MIFace), and bring back where it ends.

    ART stops at once, and silently, where the model gives the label less than 1 - threshold at the start, and where scores are
    not probabilities; here it takes all its steps, and `AttackFailed` says where they led nowhere. Threat model: white box.
    Source: M. Fredrikson, S. Jha, T. Ristenpart, "Model Inversion Attacks that Exploit Confidence Information and Basic
    Countermeasures", CCS 2015. NIST AI 100-2: reconstruction (NISTAML.032). MITRE ATLAS: AML.T0024.001.
    """
    wanted = np.asarray(labels if len(labels) else range(estimator.nb_classes), np.int64)
    begun = np.full((len(wanted), *estimator.input_shape), start, np.float32)
    with seeded(seed):
        attack = MIFace(
            estimator,
            max_iter=steps,
            window_length=1,
            threshold=float(np.finfo(np.float32).max),
            learning_rate=float(rate),
            batch_size=len(wanted),
            verbose=False,
        )
        inverted = as_inputs(attack.infer(begun.copy(), y=wanted))
    before, after = (
        predict_probabilities(estimator, inputs)[np.arange(len(wanted)), wanted]
        for inputs in (begun, inverted)
    )
    if np.mean(after > before) < 0.5:
        raise AttackFailed(
            f"{np.sum(after <= before)} of {len(wanted)} inversions ended no surer than they began: the gradients vanish, or "
            "the rate is wrong. That says nothing of the model's privacy"
        )
    return inverted, wanted, {"before": float(before.mean()), "after": float(after.mean())}


@task(tags=["privacy", "model-inversion", "metric"])
def likeness(inputs: Inputs, labels: Labels, dataset: Dataset) -> Likeness:
    """Compare inverted inputs with the mean training input of every label.

    A high confidence alone is no leak: any input that fools the model has it.
    """
    means = np.stack(
        [dataset.x_train[dataset.y_train == label].mean(axis=0).ravel() for label in range(dataset.classes)]
    )
    alike = np.corrcoef(np.reshape(inputs, (len(inputs), -1)), means)[: len(inputs), len(inputs) :]
    if not np.isfinite(alike).all():
        raise ValueError("an input of one value everywhere is like nothing")
    own = np.arange(dataset.classes) == np.asarray(labels)[:, None]
    return {
        "own": float(alike[own].mean()),
        "others": float(alike[~own].mean()),
        "matched": float(np.mean(alike.argmax(axis=1) == labels)),
    }
