"""Whether a poison made a model misread the one image that it was made for."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.models.estimators import predict, predict_probabilities
from tiltyard_plugins.types import Dataset, Estimator

Hit = Annotated[
    Mapping[str, float],
    "hit, 0 or 1; probability of the target, 0 to 1; accuracy on the test part, which a good poison leaves alone",
]


@task(tags=["poisoning", "targeted", "metric"])
def targeted_success(
    estimator: Annotated[Estimator, "trained on the poisoned data"],
    dataset: Dataset,
    *,
    image: Annotated[int, "which of the test part"],
    target: Annotated[int, "what it shall be taken for"],
) -> Hit:
    """Look what a model takes the chosen test image for."""
    chances = predict_probabilities(estimator, dataset.x_test[image : image + 1])[0]
    return {
        "hit": float(chances.argmax() == target),
        "probability": float(chances[target]),
        "accuracy": float(np.mean(predict(estimator, dataset.x_test) == dataset.y_test)),
    }
