"""Drawing which training inputs to poison, and saying which ones were."""

from typing import Annotated, Any

import numpy as np

from tiltyard import types

__all__ = ["Fraction", "Mask", "PoisonFailed", "draw"]

Mask = Annotated[types.Array, "bool (n,), true where an input or label of the training part was changed"]
Fraction = Annotated[
    float, "share of the whole training part to poison, 0 and more, below 1; 0: none, the control"
]


class PoisonFailed(Exception):
    """The poison changed nothing, or cannot be made: a model trained on it says nothing about poisoning."""


def draw(random: np.random.Generator, candidates: Any, fraction: float) -> Any:
    """Draw the share of the training part from the candidates, without repeating.

    Args:
        random: draws.
        candidates: bool (n,), true where the attacker may poison.
        fraction: of n, not of the candidates.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the share to poison is 0 or more and below 1, not {fraction:g}")
    open_ = np.flatnonzero(candidates)
    size = max(1, round(fraction * len(candidates))) if fraction else 0
    if size > len(open_):
        raise PoisonFailed(
            f"a share of {fraction:g} is {size} inputs, and there are only {len(open_)} that may be poisoned"
        )
    mask = np.zeros(len(candidates), dtype=bool)
    mask[random.choice(open_, size, replace=False)] = True
    return mask
