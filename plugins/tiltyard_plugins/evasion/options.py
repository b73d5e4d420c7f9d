"""The options that evasion tasks have in common, in one wording."""

from typing import Annotated, Literal

import numpy as np

__all__ = ["AllowWeak", "Eps", "Iterations", "Norm", "Target", "number_of"]

Eps = Annotated[float, "largest change of an input in the norm, on the scale of the inputs (0 to 1); 0: none"]
Norm = Annotated[Literal["linf", "l2", "l1"], "the norm that eps is measured in"]
Target = Annotated[int | None, "the label that all inputs shall be taken for; none: any wrong one"]
Iterations = Annotated[int, "largest number of iterations"]
AllowWeak = Annotated[bool, "go on with a warning, and do not fail, when the attack hardly did anything"]

_NUMBERS: dict[str, float] = {"linf": np.inf, "l2": 2, "l1": 1}


def number_of(norm: str) -> float:
    """How numpy and ART write a norm."""
    return _NUMBERS[norm]
