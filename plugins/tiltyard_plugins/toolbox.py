"""The Adversarial Robustness Toolbox (ART) and its traps, sprung once for the whole collection.

Import ART from here first, or after this module: it keeps ART's import quiet where torch is missing, and stands in for the
package `multiprocess`, which ART's AutoAttack imports and, in one process, never uses. `seeded` is what every task that
trains or attacks runs in; no task draws from a generator that nobody seeded.
"""

import importlib.util
import multiprocessing
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np

__all__ = ["Seed", "alone", "as_inputs", "as_labels", "seeded"]

Seed = Annotated[int, "of everything that is drawn at random; the same seed gives the same result"]

if importlib.util.find_spec("multiprocess") is None:
    sys.modules.setdefault("multiprocess", multiprocessing)

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="PyTorch not found")
    import art.attacks.evasion
    import art.estimators.classification  # noqa: F401 - so that nobody's import warns

_one_at_a_time = threading.RLock()
_RandomState = np.random.RandomState


class _AnyState(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _RandomState)


class _DrawnState(_RandomState, metaclass=_AnyState):
    """Takes its seed, where it is given none, from numpy's own generator and not from the system's entropy.

    HopSkipJump and the boundary attack make generators of their own without a seed.
    """

    def __init__(self, seed: Any = None) -> None:
        super().__init__(np.random.randint(2**31) if seed is None else seed)  # noqa: NPY002 - what ART draws from


@contextmanager
def seeded(seed: int) -> Iterator[np.random.Generator]:
    """Seed every generator that the libraries share, hold them until the end, and put numpy's and Python's back.

    ART, torch and Keras draw from generators that belong to the whole process. Steps of a graph run side by side in threads,
    and two that drew in turns would give other results each time: so one waits here for the other.
    """
    with _one_at_a_time:
        states = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        if torch := sys.modules.get("torch"):
            torch.manual_seed(seed)
        if tensorflow := sys.modules.get("tensorflow"):
            tensorflow.random.set_seed(seed)
        np.random.RandomState = _DrawnState  # type: ignore[misc]
        try:
            with warnings.catch_warnings():
                # What the libraries say of each other's coming versions is no business of an experiment's log.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", FutureWarning)
                yield np.random.default_rng(seed)
        finally:
            np.random.RandomState = _RandomState  # type: ignore[misc]
            np.random.set_state(states[0])  # noqa: NPY002
            random.setstate(states[1])


@contextmanager
def alone() -> Iterator[None]:
    """Hold the libraries' generators without seeding them, for what draws from them and needs none of it.

    Each prediction of a torch network draws a number from torch's own generator: asked while another step trains, it would give
    that training other numbers.
    """
    with _one_at_a_time:
        yield


def as_inputs(inputs: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Inputs as float32: torch refuses the float64 that ART's own arithmetic makes."""
    return np.ascontiguousarray(inputs, dtype=np.float32)


def as_labels(labels: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Labels as numbers, also where they come one-hot."""
    array = np.asarray(labels)
    return (array.argmax(axis=1) if array.ndim == 2 else array).astype(np.int64)
