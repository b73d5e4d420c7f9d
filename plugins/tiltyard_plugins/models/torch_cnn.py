"""Small convolutional networks in torch.

The networks are ordinary ones, with channels first; an estimator around one takes images with their channels last, like
everything in this collection, and float64 as well as float32.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from tiltyard import task
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Dataset, Estimator, Model

Epochs = Annotated[int, "how often the training part is gone through"]
Rate = Annotated[float, "learning rate of Adam"]
Batch = Annotated[int, "inputs in a batch"]


class _ChannelsFirst(nn.Module):  # type: ignore[misc]
    """Turns images over for the network behind it."""

    def forward(self, images: Any) -> Any:
        """Give (n, channels, height, width) for (n, height, width, channels)."""
        return images.float().permute(0, 3, 1, 2) if images.ndim == 4 else images.float()


@task(tags=["model", "torch"])
def torch_cnn(
    shape: Annotated[tuple[int, int, int], "of one image: height, width, channels; 8 x 8 at least"],
    classes: Annotated[int, "how many labels there are"],
    *,
    width: Annotated[int, "channels of the first layer; the second has twice as many"] = 16,
    seed: Seed = 0,
) -> Model:
    """Make a small network: two convolutions of 3 by 3, each halved by pooling, and two dense layers; not trained yet."""
    height, breadth, channels = shape
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * (height // 4) * (breadth // 4), 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, classes),
        )


@task(tags=["model", "torch"])
def wrap_torch(
    model: Annotated[Model, "a torch module that takes channels first and gives scores (logits)"],
    *,
    shape: Annotated[tuple[int, ...], "of one input: height, width, channels"],
    classes: Annotated[int, "how many labels there are"],
    rate: Rate = 0.005,
    clip: Annotated[tuple[float, float], "smallest and largest value of an input"] = (0.0, 1.0),
) -> Estimator:
    """Wrap a torch network as an estimator, on the GPU where there is one."""
    return PyTorchClassifier(
        model=nn.Sequential(_ChannelsFirst(), model),
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=rate),
        input_shape=tuple(shape),
        nb_classes=classes,
        channels_first=False,
        clip_values=clip,
        device_type="gpu" if torch.cuda.is_available() else "cpu",
    )


@task(tags=["model", "training", "torch"])
def train_torch_cnn(
    dataset: Annotated[Dataset, "of images"],
    *,
    epochs: Epochs = 15,
    rate: Rate = 0.005,
    batch: Batch = 64,
    width: Annotated[int, "channels of the first layer"] = 16,
    seed: Seed = 0,
) -> Estimator:
    """Make a small network for the data set and train it on the training part; wrapped as an estimator."""
    model = torch_cnn(dataset.shape, dataset.classes, width=width, seed=seed)
    estimator = wrap_torch(model, shape=dataset.shape, classes=dataset.classes, rate=rate, clip=dataset.clip)
    return fit_torch(estimator, dataset, epochs=epochs, batch=batch, seed=seed)


@task(tags=["model", "training", "torch"])
def fit_torch(
    estimator: Estimator,
    dataset: Dataset,
    *,
    epochs: Epochs = 15,
    batch: Batch = 64,
    seed: Seed = 0,
) -> Estimator:
    """Train a wrapped network, from where it stands, on the training part; the same estimator comes back."""
    with seeded(seed):
        estimator.fit(
            as_inputs(dataset.x_train), as_labels(dataset.y_train), batch_size=batch, nb_epochs=epochs
        )
    return estimator


@task(tags=["model", "torch"])
def unwrap_torch(estimator: Estimator) -> Model:
    """Give the network inside an estimator, as it was before it was wrapped: to save it, or to look into it."""
    return estimator.model[1]


@task(tags=["model", "save", "torch"])
def save_torch(
    model: Model, path: Annotated[Path, "the file to write"]
) -> Annotated[Path, "the file that was written"]:
    """Save a network's weights alone."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return path


@task(tags=["model", "load", "torch"])
def load_torch(model: Model, path: Annotated[Path, "a file that `save_torch` wrote"]) -> Model:
    """Load weights into a network of the same make; nothing in the file is run."""
    model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return model
