"""Models from MLflow's registry, or from a run, by their URI."""

from typing import Annotated, Literal

import mlflow

from tiltyard import task
from tiltyard_plugins.types import Model


@task(tags=["model", "load", "registry"])
def registered_model(
    uri: Annotated[str, "`models:/name/version`, `models:/name@alias` or `runs:/id/path`"],
    *,
    flavor: Annotated[
        Literal["sklearn", "pytorch", "tensorflow"], "the library that it was logged with"
    ] = "sklearn",
) -> Model:
    """Load a model from MLflow's registry, as the object of its own library that it was logged as.

    Loading runs what is in the model: load none that you would not run.
    """
    match flavor:
        case "sklearn":
            return mlflow.sklearn.load_model(uri)
        case "pytorch":
            return mlflow.pytorch.load_model(uri)
        case "tensorflow":
            return mlflow.tensorflow.load_model(uri)
