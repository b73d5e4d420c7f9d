"""What a Keras model makes of its inputs just before the layer that decides."""

from typing import Annotated

import keras
import numpy as np

from tiltyard import task
from tiltyard_plugins.detection.suspects import FeatureTable
from tiltyard_plugins.toolbox import as_inputs
from tiltyard_plugins.types import Estimator, Inputs


@task(tags=["detection", "features", "keras"])
def keras_features(
    estimator: Annotated[Estimator, "around a Keras model"],
    inputs: Inputs,
    *,
    batch: Annotated[int, "inputs in a batch"] = 256,
) -> FeatureTable:
    """Give what goes into the model's last dense layer."""
    dense = [layer for layer in estimator.model.layers if isinstance(layer, keras.layers.Dense)]
    if not dense:
        raise ValueError("the model has no dense layer, and so no features just before it")
    before = keras.Model(estimator.model.inputs, dense[-1].input)
    found = before.predict(as_inputs(inputs), batch_size=batch, verbose=0)
    return np.asarray(found).reshape(len(inputs), -1)
