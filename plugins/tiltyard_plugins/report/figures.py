"""Tells the key figures of an experiment as metrics of its job, where they can be searched and compared."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Annotated, Any

import tiltyard
from tiltyard import task

Figures = Annotated[
    Mapping[str, Any], "by name: a number, numbers in their order, or a mapping, whose names nest by dots"
]


@task(tags=["report"])
def log_metrics(figures: Figures) -> Figures:
    """Tell figures as metrics; several of one name become its steps 0, 1, 2 ...

    Text among them is left out: a metric is a number.
    """
    told: dict[str, Any] = {}
    for name, value in _flat(figures).items():
        if isinstance(value, Real):
            tiltyard.metric(name, float(value))
            told[name] = float(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            told[name] = [float(one) for one in value]
            for step, one in enumerate(told[name]):
                tiltyard.metric(name, one, step)
    return told


def _flat(figures: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value.tolist() if hasattr(value, "tolist") else value
    return found
