"""The triggers of back doors: a few pixels near the lower right corner."""

from typing import Annotated, Literal

import numpy as np
from art.attacks.poisoning.perturbations import add_pattern_bd, add_single_bd

from tiltyard import task
from tiltyard_plugins.toolbox import as_inputs
from tiltyard_plugins.types import Images

__all__ = ["Distance", "Pattern", "Value", "stamp"]

Pattern = Annotated[Literal["pattern", "pixel"], "four pixels of a chequerboard, or a single one"]
Value = Annotated[float, "what the trigger's pixels are set to, on the scale of the images"]
Distance = Annotated[int, "pixels from the lower and the right edge, 1 or more"]


@task(tags=["poisoning", "trigger"])
def stamp(
    images: Images, *, pattern: Pattern = "pattern", value: Value = 1.0, distance: Distance = 2
) -> Images:
    """Put a trigger on every image.

    Source: T. Gu, B. Dolan-Gavitt, S. Garg, "BadNets", 2017, arXiv:1708.06733.
    """
    shape = np.shape(images)
    if len(shape) != 4:
        raise ValueError(f"a trigger goes on images (n, height, width, channels), not on {shape}")
    reach = distance + (2 if pattern == "pattern" else 0)
    if distance < 1 or reach > min(shape[1:3]):
        raise ValueError(
            f"{distance} pixels from the edge, the trigger is off an image of {shape[1]} by {shape[2]}"
        )
    put = add_pattern_bd if pattern == "pattern" else add_single_bd
    return as_inputs(put(as_inputs(images), distance=distance, pixel_value=value))
