"""What a torch network makes of its inputs just before the layer that decides."""

from typing import Annotated, Any

import numpy as np
import torch
from torch import nn

from tiltyard import task
from tiltyard_plugins.detection.suspects import FeatureTable
from tiltyard_plugins.toolbox import alone, as_inputs
from tiltyard_plugins.types import Estimator, Inputs


@task(tags=["detection", "features", "torch"])
def torch_features(
    estimator: Annotated[Estimator, "around a torch network"],
    inputs: Inputs,
    *,
    batch: Annotated[int, "inputs in a batch"] = 256,
) -> FeatureTable:
    """Give what goes into the network's last linear layer; ART itself sees only the outermost modules of a network."""
    last = [layer for layer in estimator.model.modules() if isinstance(layer, nn.Linear)]
    if not last:
        raise ValueError("the network has no linear layer, and so no features just before it")
    kept: list[Any] = []
    with alone():  # another step may ask the same network at the same time, and the hook would keep that too
        hook = last[-1].register_forward_pre_hook(
            lambda _layer, given: kept.append(given[0].detach().cpu().numpy())
        )
        estimator.model.eval()
        try:
            with torch.no_grad():
                estimator.predict(as_inputs(inputs), batch_size=batch)
        finally:
            hook.remove()
    return np.concatenate(kept).reshape(len(inputs), -1)
