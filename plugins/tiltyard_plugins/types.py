"""The words that the collection's tasks say their types in, so that what one gives another takes.

Images keep their channels last, also for torch, whose networks here turn them around themselves; labels are numbers, never
one-hot. Everything is scaled to the range that the data set names as `clip`, 0 to 1 if nobody wanted otherwise.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from tiltyard import types

__all__ = [
    "Data",
    "Dataset",
    "Estimator",
    "Features",
    "Figure",
    "Images",
    "Inputs",
    "Labels",
    "Model",
    "Probabilities",
]

Images = Annotated[types.Array, "float32 (n, height, width, channels), 0 to 1"]
Features = Annotated[types.Array, "float32 (n, features), 0 to 1"]
Inputs = Annotated[types.Array, "float32 (n, ...), 0 to 1: images with their channels last, or features"]
Labels = Annotated[types.Array, "int64 (n,), from 0 to classes - 1"]
Probabilities = Annotated[types.Array, "float32 (n, classes), rows add up to 1"]
Model = Annotated[types.Model, "a scikit-learn classifier, a torch module or a Keras model"]
Estimator = Annotated[
    types.Model, "a classifier wrapped as an estimator of the Adversarial Robustness Toolbox"
]
Dataset = Annotated[types.Dataset, "inputs and labels for training and testing: tiltyard_plugins.types.Data"]
Figure = Annotated[types.Figure, "a matplotlib figure"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set, split into a part to train on and a part to test on."""

    name: str
    x_train: Inputs
    y_train: Labels
    x_test: Inputs
    y_test: Labels
    names: tuple[str, ...]
    """What the labels mean: `names[label]`."""
    clip: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest value that an input may have."""

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input: `(height, width, channels)`, or `(features,)`."""
        return tuple(self.x_train.shape[1:])

    def with_(self, **changes: Any) -> "Data":
        """The same with some fields changed, for poisons and defences that change the training set."""
        return replace(self, **changes)
