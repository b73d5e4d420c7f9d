"""Small convolutional networks in Keras, on TensorFlow."""

from pathlib import Path
from typing import Annotated

import keras
from art.estimators.classification import TensorFlowV2Classifier
from keras import layers

from tiltyard import task
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels, seeded
from tiltyard_plugins.types import Dataset, Estimator, Model


@task(tags=["model", "keras"])
def keras_cnn(
    shape: Annotated[tuple[int, int, int], "of one image: height, width, channels; 8 x 8 at least"],
    classes: Annotated[int, "how many labels there are"],
    *,
    width: Annotated[int, "channels of the first layer; the second has twice as many"] = 16,
    seed: Seed = 0,
) -> Model:
    """Make a small network: two convolutions of 3 by 3, each halved by pooling, and two dense layers; not trained yet."""
    with seeded(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input(shape),
                layers.Conv2D(width, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(2 * width, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(4 * width, activation="relu"),
                layers.Dense(classes),
            ]
        )


@task(tags=["model", "keras"])
def wrap_keras(
    model: Annotated[Model, "a Keras model that takes channels last and gives scores (logits)"],
    *,
    rate: Annotated[float, "learning rate of Adam"] = 0.005,
    clip: Annotated[tuple[float, float], "smallest and largest value of an input"] = (0.0, 1.0),
) -> Estimator:
    """Wrap a Keras model as an estimator."""
    return TensorFlowV2Classifier(
        model=model,
        nb_classes=model.output_shape[-1],
        input_shape=model.input_shape[1:],
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(rate),
        channels_first=False,
        clip_values=clip,
    )


@task(tags=["model", "training", "keras"])
def train_keras_cnn(
    dataset: Annotated[Dataset, "of images"],
    *,
    epochs: Annotated[int, "how often the training part is gone through"] = 15,
    rate: Annotated[float, "learning rate of Adam"] = 0.005,
    batch: Annotated[int, "inputs in a batch"] = 64,
    width: Annotated[int, "channels of the first layer"] = 16,
    seed: Seed = 0,
) -> Estimator:
    """Make a small network for the data set and train it on the training part; wrapped as an estimator."""
    model = keras_cnn(dataset.shape, dataset.classes, width=width, seed=seed)
    estimator = wrap_keras(model, rate=rate, clip=dataset.clip)
    with seeded(seed):
        estimator.fit(
            as_inputs(dataset.x_train), as_labels(dataset.y_train), batch_size=batch, nb_epochs=epochs
        )
    return estimator


@task(tags=["model", "save", "keras"])
def save_keras(
    model: Model, path: Annotated[Path, "the `.keras` file to write"]
) -> Annotated[Path, "the file that was written"]:
    """Save a Keras model, its make and its weights."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return path


@task(tags=["model", "load", "keras"])
def load_keras(path: Annotated[Path, "a `.keras` file"]) -> Model:
    """Load a Keras model. Layers that hold code of their own are refused."""
    return keras.saving.load_model(path, safe_mode=True)
